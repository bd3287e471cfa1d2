"""The process of our own Prefect server: started, recognised, stopped. Its record is `server.json` in its home."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import urlopen

from cli.processes import birth, is_alive, write_record
from retuner.errors import UserError

START_LIMIT = 120
"""Seconds a server may take to start; a cold one was seen to take 37."""
STOP_LIMIT = 15
RECORDING = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
}
"""State changes of task runs are written together, once a second, unless the environment says otherwise. By default
each has a transaction of its own, which costs the server more CPU than all else that it does for a trial. Events are
written every 5 s, as by default, or once there are 200 and not 20."""

_started: "list[subprocess.Popen[bytes]]" = []
"""Servers that this process started."""


@dataclass(frozen=True)
class Server:
    """A server that was started on this machine; `born` tells it from a later process of the same number."""

    url: str
    pid: int
    born: str

    def is_alive(self) -> bool:
        """Whether the process is there; a busy one may not answer for a while."""
        for child in _started:
            child.poll()  # a child that has ended stays there until it is asked for
        return is_alive(self.pid, self.born)

    def wait_until_healthy(self) -> bool:
        """Whether it answers within the limit; False as soon as the process has ended."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self.is_alive():
            if is_healthy(self.url):
                return True
            time.sleep(0.2)
        return False


def find(home: Path) -> Server | None:
    """The server of this home, where its process is there; another program's answer on its port does not count."""
    try:
        server = Server(**json.loads((home / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return server if server.is_alive() else None


def start(home: Path, port: int | None) -> Server:
    """Start a server and wait until it answers; by default on a free port. Raises UserError where it does not."""
    port = _free_port(port)
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment["PREFECT_UI_API_URL"] = url
    environment["PREFECT_UI_URL"] = url.removesuffix("/api")  # notifications hold links to it
    environment["PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT"] = "false"
    environment = {**RECORDING, **environment}
    log = home / "server.log"
    with log.open("w") as output:
        # a session of its own: Ctrl-C is for the flow, which still has to tell the server how it ended
        child = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
    _started.append(child)
    server = Server(url=url, pid=child.pid, born=birth(child.pid))
    try:
        write_record(home / "server.json", asdict(server))
        if server.wait_until_healthy():
            return server
    except BaseException:
        stop(home)
        raise
    fault = f"did not answer within {START_LIMIT} s" if server.is_alive() else "ended while it was starting"
    stop(home)
    words = log.read_text(errors="replace").strip().splitlines()
    raise UserError(f"The Prefect server {fault}: {words[-1] if words else 'it said nothing'} (see {log}).")


def stop(home: Path) -> None:
    """End the server of this home, if there is one."""
    server = find(home)
    if server is not None:
        _signal(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_LIMIT
        while server.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal(server.pid, signal.SIGKILL)  # what may be left of its group
    (home / "server.json").unlink(missing_ok=True)


def is_healthy(url: str) -> bool:
    """Whether a Prefect API answers there."""
    try:
        with urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _free_port(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise UserError(f"Port {wanted} is taken by another program ({error.strerror}): choose another.") from None
        except OverflowError:
            raise UserError(f"There is no port {wanted}: choose one up to 65535, such as 4200.") from None
        port: int = probe.getsockname()[1]
        return port
