"""What the rows work with: the data, the sizes, a folder, and child processes that are measured."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import MappingProxyType
from typing import Any, TypeVar

from cli.prefect_server import prefect_server
from retuner.settings import CHECKOUT, read_settings
from retuner_training.cache import VARIABLE as SHARED_WORK
from retuner_training.faq.sample import write_sample

T = TypeVar("T")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_FILES = ("orig-q.tsv.gz", "dup-q.tsv.gz", "ans.tsv.gz")


class Failure(Exception):
    """A row that could not be measured; the message is one sentence."""


@dataclass(frozen=True)
class Scale:
    """How much work the rows do."""

    trees: int = 1000
    """Of the reference and of ours against it."""
    part: int = 16
    """Questions of the part of the data on which early stopping of faq_reference is replayed."""
    search_trials: int = 48
    busy_trials: int = 96
    instant_trials: int = 1000
    few_and_many: tuple[int, int] = (200, 2000)
    curves: int = 24
    """Trials that are trained to their ends."""
    drawn: int = 20
    """Trials per seed, out of the curves."""
    tuned_trials: int = 24
    split_seeds: tuple[int, ...] = (0, 1, 2)
    faqs: int = 10_000
    asked: int = 50
    ranker: tuple[tuple[str, Any], ...] = ()
    """Hyperparameters of single faq_ranker trials, beside the defaults."""
    whole_commands: bool = True
    """Whether `make run` is tried in a new clone, packages and all, or only its flow, in this one."""


TINY = Scale(
    trees=10,
    part=8,
    search_trials=2,
    busy_trials=2,
    instant_trials=4,
    few_and_many=(2, 4),
    curves=2,
    drawn=2,
    tuned_trials=2,
    split_seeds=(0,),
    faqs=60,
    asked=2,
    ranker=(("trees", 5),),
    whole_commands=False,
)


@dataclass(frozen=True)
class Measured:
    """One call in a process of its own."""

    value: Any
    cpu: float
    memory: float
    """Peak of the resident memory of the process, in MB."""


class Bench:
    """Everything that rows share. Close it (or use it as a context) to stop the Prefect server that it started."""

    def __init__(self, source: str, *, folder: Path, scale: Scale, runs: int) -> None:
        self.source = source
        self.folder = folder
        self.scale = scale
        self.runs = runs
        self.cores = len(os.sched_getaffinity(0))
        self._stack = ExitStack()
        self._once: dict[Callable[..., Any], Future[Any]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def options(self) -> dict[str, Any]:
        """How the data is filtered: the real questions are short."""
        return {"min_text": 0, "min_dupes": 12, "match": 20, "split_seed": 0, "faulty_rows": "refuse"}

    def raw(self) -> Path:
        """The folder of raw files."""
        return self.once(_sample) if self.source == "sample" else Path(self.source)

    def part(self) -> Path:
        """A folder of raw files with the first questions alone."""
        return self.once(_part)

    def new_folder(self, name: str) -> Path:
        """A folder that nothing else uses."""
        return Path(mkdtemp(prefix=f"{name}-", dir=self.folder))

    def api(self) -> str:
        """The address of a Prefect server of our own, started with the first use."""
        return self.once(server)

    def serve(self) -> str:
        """Start a Prefect server that lasts as long as this object; returns its address."""
        os.environ.pop("PREFECT_API_URL", None)  # that of a person is not ours to load
        settings = read_settings({"RETUNER_HOME": str(self.folder / "prefect")})
        return self._stack.enter_context(prefect_server(settings))

    def child(
        self,
        function: str,
        *,
        threads: int = 1,
        shared: Path | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        **arguments: Any,
    ) -> Measured:
        """Call `benchmarks.measured.MODULE:FUNCTION` in a process of its own, which holds libraries to `threads`.

        It finds no work that an earlier call has shared, unless both were given the same folder.
        """
        file = self.new_folder("call") / "measured.json"
        command = [sys.executable, "-m", "benchmarks.child", f"benchmarks.measured.{function}"]
        given = [json.dumps(arguments), str(file)]
        with TemporaryDirectory(prefix="shared-", dir=self.folder, ignore_cleanup_errors=True) as new:
            work = {SHARED_WORK: str(shared or new)}
            own = {**dict.fromkeys(_THREADS, str(threads)), "PYTHONPATH": str(CHECKOUT), **work, **environment}
            done = subprocess.run(
                [*command, *given],
                cwd=CHECKOUT,
                env={**os.environ, **own},
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0 or not file.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            (self.folder / "failure.log").write_text(done.stderr)
            raise Failure(f"{function} ended with {done.returncode}: {last}")
        return Measured(**json.loads(file.read_text()))

    def repeat(self, call: Callable[[], T]) -> list[T]:
        """The outcomes of as many calls as runs are wanted, one after the other."""
        return [call() for _ in range(self.runs)]

    def once(self, make: "Callable[[Bench], T]") -> T:
        """What `make(bench)` gives: made by the first row that needs it, for all."""
        with self._lock:
            mine = make not in self._once
            future: Future[T] = self._once.setdefault(make, Future())
        if mine:
            try:
                future.set_result(make(self))
            except Exception as error:  # noqa: BLE001 - told to every row that asks
                future.set_exception(error)
        return future.result()

    def make_ahead(self, needs: "Iterable[Callable[[Bench], Any]]") -> None:
        """Make what rows need, one on each core: for what is not compared by the clock. Faults are told later."""
        with ThreadPoolExecutor(self.cores) as pool:
            for make in needs:
                pool.submit(self.once, make)


def server(bench: Bench) -> str:
    """What rows with whole searches need."""
    return bench.serve()


def _sample(bench: Bench) -> Path:
    folder = bench.new_folder("sample")
    write_sample(folder, **({"questions": 20, "duplicates": 320} if bench.scale.trees < 100 else {}))
    return folder


def _part(bench: Bench) -> Path:
    folder = bench.new_folder("part")
    _write_part(bench.raw(), folder, questions=bench.scale.part)
    return folder


def _write_part(raw: Path, folder: Path, *, questions: int) -> None:
    files = {name: gzip.decompress((raw / name).read_bytes()).decode().splitlines() for name in _FILES}
    asked = files["orig-q.tsv.gz"][:questions]
    answers = {line.split("\t")[1] for line in asked}
    repeated = [line for line in files["dup-q.tsv.gz"] if line.split("\t")[1] in answers]
    said = [line for line in files["ans.tsv.gz"] if line.split("\t")[0] in answers]
    for name, lines in zip(_FILES, (asked, repeated, said), strict=True):
        (folder / name).write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
