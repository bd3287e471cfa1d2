"""The station: one process that keeps a Prefect server and a worker alive on this machine until it is told to end.

It holds the lock `up.lock`, which the kernel gives back however the process ends: being able to take it is what
"nothing is up" means. Everything that the worker starts carries the mark RETUNER_STATION in its environment, so that
nothing is left behind.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from cli.installation import WORK_POOL, install
from cli.output import say
from cli.prefect_server import prefect_server, revive_server
from cli.processes import birth, is_alive, write_record
from retuner.errors import UserError
from retuner.settings import Settings
from retuner_training.redaction import redact

MARK = "RETUNER_STATION"
LOOK_SECONDS = 2.0
"""Between two looks at the server and the worker."""
RESTART_SECONDS = 5.0
"""Before a worker that ended is started again."""
LEAVE_SECONDS = 60.0
"""For flow runs to stop their trials and say so, once they were asked to."""


LOCK_SECONDS = 0.5
"""Whoever looks whether a station is up takes its lock for a moment; this outlasts it."""


@dataclass(frozen=True)
class Addresses:
    """What is up, and where."""

    pid: int
    api: str
    ui: str
    work_pool: str
    deployments: list[str]


def run_station(settings: Settings, stop: threading.Event, *, port: int) -> None:
    """Bring everything up and keep it so until `stop` is set. Raises UserError where a station is up already."""
    own = not os.environ.get("PREFECT_API_URL")  # while we have one of our own, it is named there as well
    with _lock(settings, wait_seconds=LOCK_SECONDS) as taken, prefect_server(settings, port=port) as api:
        if not taken:
            raise UserError(f"A station is up already in {settings.home}: end it with: retune down")
        record = _record(settings)
        record.unlink(missing_ok=True)  # of a station that was killed: its process number may be somebody else's
        deployments = install()
        ui = os.environ.get("PREFECT_UI_URL") or api.removesuffix("/api")
        with (settings.home / "worker.log").open("ab") as log:
            worker = _start_worker(settings, log)
            try:
                addresses = Addresses(os.getpid(), api, ui, WORK_POOL, deployments)
                write_record(record, asdict(addresses))
                say(f"Up: {ui}, {', '.join(deployments)}; the worker's log is {settings.home / 'worker.log'}")
                _keep_alive(settings, worker, stop, log=log, own_api=api if own else None)
            finally:
                record.unlink(missing_ok=True)
                _end_worker(settings)


def read_station(settings: Settings) -> Addresses | None:
    """The station that is up and ready, if any."""
    if not is_up(settings):
        return None
    try:
        return Addresses(**json.loads(_record(settings).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_up(settings: Settings) -> bool:
    """Whether a station's process is alive."""
    with _lock(settings) as taken:
        return not taken


def _keep_alive(
    settings: Settings, worker: "subprocess.Popen[bytes]", stop: threading.Event, *, log: IO[bytes], own_api: str | None
) -> None:
    """Start again what has ended, until `stop` is set; the server only where it is our own, at `own_api`."""
    ended: float | None = None
    while not stop.wait(LOOK_SECONDS):
        try:
            if own_api is not None and revive_server(settings, own_api):
                say("The Prefect server had ended, and was started again.")
        except UserError as error:  # the machine may be busy: the next look tries again
            say(f"retune: {redact(str(error))}")
        if worker.poll() is None:
            continue
        ended = ended or time.monotonic()
        if time.monotonic() - ended > RESTART_SECONDS:
            say(f"The worker had ended with status {worker.returncode}, and is started again.")
            worker, ended = _start_worker(settings, log), None


def _start_worker(settings: Settings, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    name = f"{socket.gethostname()}-{os.getpid()}"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--name", name]
    environment = {
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        **os.environ,
        MARK: str(settings.home),
        "RETUNER_HOME": str(settings.home),
    }
    return subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
    )


def _end_worker(settings: Settings) -> None:
    """Ask the flow runs to stop, then the worker, which reports how they ended; kill what is left after that."""
    started = marked(settings)
    workers = {pid: born for pid, born in started.items() if b"worker" in _command_line(pid)}
    flow_runs = {pid: born for pid, born in started.items() if pid not in workers}
    _send(flow_runs, signal.SIGTERM)
    _wait_until_gone(flow_runs, seconds=LEAVE_SECONDS)
    _send(workers, signal.SIGTERM)
    _wait_until_gone(workers, seconds=5)
    left = marked(settings)
    _send(left, signal.SIGKILL)
    _wait_until_gone(left, seconds=5)


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_until_gone(processes: Mapping[int, str], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(is_alive(pid, born) for pid, born in processes.items()):
        time.sleep(0.1)


def _command_line(pid: int) -> list[bytes]:
    """Arguments of a process; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def marked(settings: Settings) -> dict[int, str]:
    """Live processes that the station's worker has started, and those that they have started, with their births."""
    wanted = f"{MARK}={settings.home}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (born := birth(int(entry.name))):
            with suppress(OSError):  # it has ended, or is somebody else's
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = born
    return found


@contextmanager
def _lock(settings: Settings, *, wait_seconds: float = 0) -> Iterator[bool]:
    """Whether the lock of the station could be taken within that time; it is held inside."""
    settings.home.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    with (settings.home / "up.lock").open("w") as lock:
        while not (taken := _take(lock)) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield taken


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _record(settings: Settings) -> Path:
    return settings.home / "up.json"
