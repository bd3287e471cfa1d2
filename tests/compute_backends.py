"""The compute targets that the contract suite runs on: how each is opened, and where it differs."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from azure_ml_backend import EmulatedAzureMl

from retuner.compute.dask import DaskTarget

PATIENCE = 1.0
START_SECONDS = 60
PACKAGES = sysconfig.get_path("purelib")
PYTHON = [sys.executable, "-S", "-P"]  # neither the editable install nor the working directory are on the path


class EmbeddedDask:
    """Scheduler and worker processes of the target's own."""

    name = "embedded"
    ends_its_workers = True
    ends_with_its_client = True
    writes_result_when_stopped = True
    address = None

    @contextmanager
    def running(self, folder: Path):
        yield self

    def take_node(self, job, process: int) -> None:
        """The worker of the job is lost."""
        os.kill(process, signal.SIGKILL)

    def target(self, snapshot, folder: Path) -> DaskTarget:
        return DaskTarget(snapshot, scratch=folder / "scratch", address=self.address, patience=PATIENCE)


class SeparateDask(EmbeddedDask):
    """A scheduler and two workers that were started elsewhere: no checkout on their path, another home and folder."""

    name = "separate"
    ends_its_workers = False

    @contextmanager
    def running(self, folder: Path):
        with scheduler(folder) as self.address, worker(self.address, folder), worker(self.address, folder):
            yield self


def wait(target, job, until=lambda status: status.state.is_finished(), *, seconds=60):
    """The job's status, once it is what is waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = target.poll({job.name: 0})[job.name]
        if until(status):
            return status
        time.sleep(0.02)
    raise TimeoutError(f"{job.name} is {status}")


@contextmanager
def scheduler(folder: Path, port: int = 0):
    """A scheduler process, at a port that is free where none is named; gives its address."""
    note = folder / "scheduler.json"
    note.unlink(missing_ok=True)
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--scheduler-file", str(note)]
    with _process(folder, "distributed.cli.dask_scheduler", *options):
        deadline = time.monotonic() + START_SECONDS
        while not (note.exists() and note.read_text()):
            assert time.monotonic() < deadline, (folder / "log.txt").read_text()
            time.sleep(0.05)
        yield json.loads(note.read_text())["address"]


@contextmanager
def worker(address: str, folder: Path, *options: str, packages: str = PACKAGES):
    """A worker process that works in `folder` and finds `packages` alone."""
    common = ["--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
    with _process(folder, "distributed.cli.dask_worker", address, *common, *options, packages=packages) as process:
        yield process


@contextmanager
def _process(folder: Path, module: str, *arguments: str, packages: str = PACKAGES):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "RETUNER_HOME": str(folder / "home"),
        "PYTHONPATH": packages,
    }
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log.txt").open("a"))
        command = [*PYTHON, "-m", module, *arguments]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        stack.callback(process.wait, timeout=30)
        stack.callback(process.terminate)
        yield process


BACKENDS = [EmbeddedDask(), SeparateDask(), EmulatedAzureMl()]
