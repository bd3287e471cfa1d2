"""What runs inside a Dask worker process. Sent there by value, so that workers need no retuner on their path.

Nothing here may use another module of retuner; `retuner_training` is imported inside functions, from the snapshot.
"""

import contextlib
import gc
import importlib
import io
import logging
import os
import platform
import shutil
import signal
import sys
import threading
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker
from distributed.comm import CommClosedError

TOPIC = "retuner"
"""The one topic of all events: a topic per job would stay on the scheduler for ever."""


def plugin_name(snapshot: str) -> str:
    return f"retuner-{snapshot}"


class SnapshotPlugin(WorkerPlugin):  # type: ignore[misc]
    """Brings a snapshot to a worker; the scheduler hands it to new and restarted workers as well."""

    idempotent = True  # a second client must not set it up again under a running training

    def __init__(self, snapshot: str, archive: bytes, recipe: str | None, *, embedded: bool) -> None:
        self.name = plugin_name(snapshot)
        self._archive = archive
        self._recipe = recipe
        self._embedded = embedded
        self._folder = Path()
        self.fault: str | None = None
        """Why the snapshot cannot be used on this worker. Kept, since Dask would go on with the worker regardless."""

    def setup(self, worker: Any) -> None:
        self._folder = Path(worker.local_directory) / self.name
        try:
            self._unpack()
        except OSError as error:
            self.fault = f"{type(error).__name__}: {error}"
            return
        # a process runs one training at a time, whatever its number of threads: packages of a name exist once in it
        vars(worker).setdefault("_retuner_lock", threading.Lock())
        if self._embedded:
            os.dup2(2, 1)  # the flow's standard output holds its own result alone
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the flow stops its workers
            logging.getLogger("distributed.worker").addFilter(is_news)
        if self._recipe is not None:
            threading.Thread(target=self._import_ahead, args=(worker, self._recipe), daemon=True).start()

    def _unpack(self) -> None:
        """Make the folder, which is there whole or not at all."""
        if self._folder.is_dir():
            return
        part = self._folder.with_name(f".{self._folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        with zipfile.ZipFile(io.BytesIO(self._archive)) as archive:
            archive.extractall(part)
        part.rename(self._folder)

    def activate(self) -> None:
        """Make the snapshot's packages the ones that `import` finds; the worker's lock must be held."""
        if sys.path[0] == str(self._folder):
            return
        packages = {entry.name.removesuffix(".py") for entry in self._folder.iterdir()}
        for module in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[module]
        sys.path[:] = [str(self._folder)] + [entry for entry in sys.path if "retuner-" not in Path(entry).name]
        importlib.invalidate_caches()

    def _import_ahead(self, worker: Any, name: str) -> None:
        """Import the recipe, which takes seconds, while nothing waits for it; a fault is told by the first job."""
        with vars(worker)["_retuner_lock"], contextlib.suppress(Exception):
            self.activate()
            from retuner_training import recipe, run  # noqa: F401

            recipe.load_recipe(name)
            if self._embedded:  # the process is ours, and libraries hold no garbage: collections skip them from here on
                gc.freeze()


def is_news(record: logging.LogRecord) -> bool:
    """Whether a person should read it: not that the connection to the flow was closed, as at the end of every flow."""
    return not (record.exc_info and isinstance(record.exc_info[1], CommClosedError))


def run_on_worker(fields: dict[str, Any], snapshot: str) -> str:
    """Run the job with these fields and return its outcome; its result is in its output folder by then."""
    worker = get_worker()
    key = fields["name"]

    def unwanted() -> bool:
        """Whether nobody waits for this job any more: it was cancelled, or the client that submitted it is gone."""
        task = worker.state.tasks.get(key)
        return task is None or task.state in ("cancelled", "resumed")

    def tell(event: str, **more: Any) -> None:
        worker.log_event(TOPIC, {"job": key, "event": event, "process": worker.id, **more})

    lock = vars(worker)["_retuner_lock"]
    while not lock.acquire(timeout=0.1):
        if unwanted():
            return "stopped"
    try:
        if unwanted():  # since the last look
            return "stopped"
        tell("started")
        worker.plugins[plugin_name(snapshot)].activate()
        from retuner_training.job import Job
        from retuner_training.run import run_job

        job = Job(**fields)
        Path(job.output).mkdir(parents=True, exist_ok=True)
        with _output_to(Path(job.output) / "log.txt"):
            result = run_job(job, send=lambda step, value: tell("report", step=step, value=value), stop_asked=unwanted)
        return str(result.outcome)
    finally:
        lock.release()
        tell("ended")


@contextlib.contextmanager
def _output_to(file: Path) -> Iterator[None]:
    """Append what this process writes to its standard streams to `file`, what libraries in C write as well."""
    kept = {1: os.dup(1), 2: os.dup(2)}
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        with file.open("ab") as log:
            for stream in kept:
                os.dup2(log.fileno(), stream)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, original in kept.items():
            os.dup2(original, stream)
            os.close(original)


def describe_worker(libraries: tuple[str, ...], snapshot: str, dask_worker: Any = None) -> dict[str, str] | None:
    """Versions of Python and of each library, 'missing' where it is not installed; `fault` where there is one.

    None where the snapshot has not come to the worker yet.
    """
    plugin = dask_worker.plugins.get(plugin_name(snapshot))
    if plugin is None:
        return None
    found = {"python": platform.python_version()} | ({"fault": plugin.fault} if plugin.fault else {})
    for library in libraries:  # retuner_training.versions asks the same, but its place is taken only under the lock
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "missing"
    return found


def hash_of_file(path: str) -> str | None:
    """SHA-256 of a small file as this process sees it, None where it cannot read it."""
    try:
        return sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def list_workers(dask_scheduler: Any = None) -> dict[str, tuple[str, bool, int]]:
    """On the scheduler: each worker's address, whether a nanny watches it, and its threads, by its process's own id."""
    return {
        state.server_id: (address, state.nanny is not None, state.nthreads)
        for address, state in dask_scheduler.workers.items()
        if state.status.name == "running"
    }


def keys_with_prefix(prefix: str, dask_scheduler: Any = None) -> list[str]:
    """On the scheduler: keys that are wanted by a client and not finished, of every client."""
    return [
        key
        for key, task in dask_scheduler.tasks.items()
        if isinstance(key, str) and key.startswith(prefix) and task.state in ("waiting", "no-worker", "processing")
    ]
