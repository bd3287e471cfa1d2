"""The Dask cluster below the target: starting or joining it, its workers, and the translation of its errors."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

from retuner.compute.dask_address import until_stopped
from retuner.compute.snapshot import Snapshot
from retuner.errors import RetryableError, UserError
from retuner.logs import prepare_handlers
from retuner_training.job import Job
from retuner_training.versions import LIBRARIES, MISSING, library_versions, minor

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 10.0
WORKER_SECONDS = 5.0
"""For the answer of one worker, within those of all."""
SILENT_SECONDS = 60.0
"""For which a worker that did not answer is asked nothing, as everything else would wait for it."""
MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""How glibc manages a worker's memory: what a training has freed stays for the next. Workers train in a thread, and a
thread's own arena and Dask's default both give every large array back at once: two million page faults in 24 trials
of faq_ranker, a fifth of their CPU."""
SELDOM = {"distributed.admin.tick.interval": "1s", "distributed.admin.system-monitor.interval": "5s"}
"""How often each process of a cluster looks at itself: by default 50 times a second, for charts that nobody has open.
That was 105 ms of CPU a second for two workers without work, and is 21 ms."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """A worker process; one that is restarted comes back as another."""

    id: str
    address: str
    has_nanny: bool
    threads: int


class DaskCluster:
    """A connection to a scheduler: an embedded one, with its workers, where `address` is None.

    All methods raise RetryableError or UserError; connecting raises Interrupted where `stop` is set. `on_event` gets
    what the workers tell, in a thread of its own.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        address: str | None,
        threads: int,
        scratch: Path,
        on_event: Callable[[dict[str, Any]], None],
        stop: threading.Event,
    ) -> None:
        import cloudpickle

        from retuner.compute import dask_worker

        logging.getLogger("distributed").setLevel(logging.WARNING)  # importing it sets INFO: a line a poll
        prepare_handlers()  # and brings handlers of its own
        cloudpickle.register_pickle_by_value(dask_worker)
        self._code = dask_worker
        self._snapshot = snapshot
        self._run = cloudpickle.dumps(dask_worker.run_on_worker)
        self._embedded: Any = None
        if address is None:
            self._embedded = _start_embedded(scratch, threads)
            address = str(self._embedded.scheduler_address)
        self.address = address
        self._checked: dict[str, Worker] = {}
        self._refused: set[str] = set()
        self._silent: dict[str, float] = {}
        self._on_event = on_event
        self._prepared: Any = None
        self._client: Any = None
        try:
            # a clean-up on another host has no archive: it looks for jobs and stops them, and starts none
            self._archive = snapshot.path.read_bytes() if snapshot.path.is_file() else None
            self._client = self._connect(stop)
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _connect(self, stop: threading.Event) -> Any:
        from distributed import Client

        start, options = self.address, {"set_as_default": False, "name": "retuner", "timeout": CONNECT_SECONDS}
        if self._embedded is not None:  # past the network: each message would be encrypted and pickled
            start = self._embedded.scheduler.listeners[-1].contact_address
            options |= {"loop": self._embedded.loop, "security": self._embedded.security}
        try:
            with self._translated():
                return until_stopped(lambda: Client(start, **options), stop, address=self.address, discard=_leave)
        except ValueError as error:
            raise UserError(f"The Dask scheduler's address {self.address} cannot be used: {error}.") from error

    def _prepare(self) -> None:
        """Have the scheduler hand on events and the snapshot; anew where the client connected again by itself.

        A scheduler that was started anew knows neither, and Dask's client tells it of neither.
        """
        with self._translated():
            if self._client.status != "running":
                raise OSError("the connection was lost")
            connection = self._client.scheduler_comm
            if connection is self._prepared:
                return
            self._client.subscribe_topic(self._code.TOPIC, lambda event: self._on_event(event[1]))
            if self._archive is not None:
                self._send_snapshot(self._archive)
            self._prepared = connection

    def _send_snapshot(self, archive: bytes) -> None:
        recipe, embedded = self._snapshot.recipe, self.is_embedded
        plugin = self._code.SnapshotPlugin(self._snapshot.hash, archive, recipe, embedded=embedded)
        ask = self._client._register_worker_plugin
        try:
            self._client.sync(ask, plugin, plugin.name, plugin.idempotent, callback_timeout=CONNECT_SECONDS)
        except OSError as error:  # of the broadcast: one worker that does not answer is enough
            _log.warning("Not every Dask worker has taken the training code (%s); without it, one gets no job.", error)

    @property
    def is_embedded(self) -> bool:
        return self._embedded is not None

    def resize(self, workers: int) -> None:
        """Start or end worker processes of the embedded cluster; a cluster of others is left as it is."""
        if self._embedded is not None:
            with self._translated():
                self._embedded.scale(workers)

    def workers(self) -> dict[str, Worker]:
        """The workers that can run jobs now, by id: one call to the scheduler, and one to each that is new.

        A worker with other versions, or one that does not answer, is left out and said once in the log.
        """
        found, faults = self._look()
        for fault in faults:
            _log.warning("%s", fault)
        return found

    def check(self) -> dict[str, Worker]:
        """As `workers`, but a worker with other versions is a UserError."""
        found, faults = self._look()
        if faults:
            raise UserError(faults[0])
        return found

    def _look(self) -> tuple[dict[str, Worker], list[str]]:
        listed = self._call(self._client._run_on_scheduler, self._code.list_workers)
        self._silent = {id_: until for id_, until in self._silent.items() if until > time.monotonic()}
        alive = {id_: Worker(id_, *about) for id_, about in listed.items() if id_ not in self._silent}
        new = [worker for id_, worker in alive.items() if id_ not in self._checked and id_ not in self._refused]
        faults = self._check_versions(new) if new else []
        self._checked = {id_: worker for id_, worker in self._checked.items() if id_ in alive}
        return dict(self._checked), faults

    def _check_versions(self, new: list[Worker]) -> list[str]:
        """Take in the workers that have the snapshot and our versions; sentences about those that do not."""
        needed = () if self._archive is None else self._snapshot.requirements  # who has none starts no job
        own = tuple(requirement.name for requirement in needed)
        theirs = self.ask(self._code.describe_worker, (*LIBRARIES, *own), self._snapshot.hash, workers=new)
        faults = []
        for worker in new:
            found = theirs.get(worker.address)
            if found is None:
                continue  # it does not answer yet, or has no snapshot yet: the next look asks again
            fault = _fault_of(worker, found, own)
            if fault is None:
                self._checked[worker.id] = worker
            else:
                self._refused.add(worker.id)
                faults.append(fault)
        return faults

    def ask(self, function: Callable[..., Any], *arguments: Any, workers: list[Worker]) -> dict[str, Any]:
        """The function's answer from each of `workers` by address; those that fail or do not answer are left out."""

        async def ask_each() -> list[dict[str, Any]]:
            return await asyncio.gather(*(self._ask_one(worker, function, arguments) for worker in workers))

        return {address: answer for found in self._call(ask_each) for address, answer in found.items()}

    async def _ask_one(self, worker: Worker, call: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
        asked = self._client._run(call, *arguments, workers=[worker.address], on_error="ignore")
        try:
            return dict(await asyncio.wait_for(asked, WORKER_SECONDS))
        except TimeoutError:
            self._silent[worker.id] = time.monotonic() + SILENT_SECONDS
            _log.warning(
                "The Dask worker %s does not answer and gets no job for now: check that it runs, and that the "
                "scheduler's host reaches it.",
                worker.address,
            )
            return {}

    def _call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The answer of one of the client's coroutines, within a limit that the blocking methods do not have."""
        self._prepare()
        with self._translated():
            return self._client.sync(method, *arguments, **options, callback_timeout=ANSWER_SECONDS)

    def submit(self, job: Job, worker: Worker) -> Any:
        """Start the job on that worker and nowhere else; its key is its name."""
        import cloudpickle
        from toolz import pipe

        # travels as bytes and is opened on the worker, since the scheduler pickles a function by reference again
        call = methodcaller("__call__", job.to_dict(), self._snapshot.hash)
        options = {
            "workers": [worker.address],
            "allow_other_workers": False,
            "retries": 0,
            "pure": False,
            "fifo_timeout": 0,  # else a worker begins what comes within a tenth of a second with the last
        }
        self._prepare()
        with self._translated():
            return self._client.submit(pipe, self._run, cloudpickle.loads, call, key=job.name, **options)

    def cancel(self, future: Any) -> None:
        """Withdraw the key: dropped where it waits; a running training sees it."""
        with self._translated():
            future.cancel()

    def cancel_keys(self, keys: list[str]) -> None:
        """Withdraw keys of any client."""
        from distributed import Future

        with self._translated():
            self._client.cancel([Future(key, client=self._client) for key in keys], force=True)

    def hashes_of(self, file: str, workers: list[Worker]) -> dict[str, str | None]:
        """SHA-256 of `file` as each worker sees it, by the worker's id; only of those that answer."""
        found = self.ask(self._code.hash_of_file, file, workers=workers)
        return {worker.id: found[worker.address] for worker in workers if worker.address in found}

    def restart(self, worker: Worker) -> None:
        """Have the worker's process killed and started anew; returns at once."""
        _log.warning("Restarting the Dask worker %s: its job ignored the request to stop.", worker.address)
        asked = self._client._restart_workers([worker.address], timeout=CONNECT_SECONDS, raise_for_error=False)
        asyncio.run_coroutine_threadsafe(asked, self._client.loop.asyncio_loop)

    def keys_with_prefix(self, prefix: str) -> list[str]:
        """Keys on the scheduler that are not finished, of every client."""
        return list(self._call(self._client._run_on_scheduler, self._code.keys_with_prefix, prefix))

    def close(self) -> None:
        """Leave the cluster, and end it where it is embedded."""
        with _quiet():
            if self._client is not None:
                with suppress(OSError, RuntimeError):
                    self._client.close(timeout=5)
            if self._embedded is not None:
                with suppress(OSError, RuntimeError):
                    self._embedded.close(timeout=10)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from distributed.client import ClosedClientError

        try:
            yield
        except (OSError, ClosedClientError) as error:  # CommClosedError and all timeouts among them
            raise RetryableError(
                f"The Dask scheduler at {self.address} does not answer ({error}): check that it can be reached."
            ) from error


def _fault_of(worker: Worker, found: Mapping[str, str], own: tuple[str, ...]) -> str | None:
    """Why the worker cannot be used, from what it tells of itself; None where it can. `own`: the recipe's libraries."""
    if "fault" in found:
        return (
            f"The Dask worker {worker.address} could not unpack the training code ({found['fault']}): make room in its "
            f"local directory and start it again."
        )
    lacking = [name for name in own if found[name] == MISSING]
    if lacking:
        return (
            f"The Dask worker {worker.address} lacks {', '.join(lacking)}, which the recipe's requirements.txt names: "
            f"install it there and start the worker again."
        )
    ours = library_versions(own)
    different = [name for name in ours if minor(found[name]) != minor(ours[name])]
    if not different:
        return None
    has = ", ".join(f"{name} {found[name]}" for name in different)
    wants = ", ".join(f"{name} {ours[name]}" for name in different)
    return (
        f"The Dask worker {worker.address} has {has}, this machine has {wants}: models made there could not be "
        f"used here. Install the packages of requirements.txt on the worker and start it again."
    )


def _start_embedded(scratch: Path, threads: int) -> Any:
    """A scheduler in this process without workers; `resize` starts them."""
    import dask

    scratch.mkdir(parents=True, exist_ok=True)
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    settings = {
        **SELDOM,
        "distributed.scheduler.allowed-failures": 0,
        "distributed.worker.daemon": True,
        "distributed.worker.profile.enabled": False,  # it looks at every thread a hundred times a second
        "distributed.nanny.pre-spawn-environ": {**limits, **MEMORY},  # glibc reads it before a line of Python runs
    }
    dask.config.set(settings)  # for the whole process: workers are started later, and with the settings of then
    with catch_warnings():  # of a machine without a network, since none is needed
        filterwarnings("ignore", "Couldn't detect a suitable IP address")
        return _local_cluster(scratch, threads, limits)


def _local_cluster(scratch: Path, threads: int, limits: Mapping[str, str]) -> Any:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=True,
        local_directory=str(scratch),
        dashboard_address="127.0.0.1:0",  # not 8787, which a second flow run or the user's own Dask may hold
        security=True,  # a scheduler runs whatever it is sent: other users of this machine have no certificate
        scheduler_kwargs={"protocol": ["tls", "inproc"], "host": ["127.0.0.1", None]},  # the second for our client
        memory_limit=0,  # a limit never slows LightGBM down, it only kills the worker near the limit
        silence_logs=logging.WARNING,
        env=limits,
    )


def _leave(late: "Future[Any]") -> None:
    """Close a connection that came when nobody waited for it any more."""
    if late.exception() is None:
        late.result().close(timeout=5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold Dask's loggers: connections that close are no news."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado.application")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
