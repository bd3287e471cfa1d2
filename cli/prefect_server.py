"""The Prefect server that commands work with: the user's where PREFECT_API_URL names it, else one of our own.

Our own server keeps its home and database under RETUNER_HOME. It is started by the first process that needs it,
shared with every other, and stopped by the last: who uses it holds a shared lock on `users.lock`, which the kernel
gives back even after a kill -9. Only the environment is set here, so this must run before Prefect is imported.
"""

import base64
import fcntl
import json
import os
import time
import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from cli import prefect_process
from cli.output import say
from cli.prefect_logs import redact_logs
from retuner.errors import UserError
from retuner.settings import Settings

SETTLE_LIMIT = 60
"""Seconds to wait for the server to write the last task runs, which lagged by 24 where it wrote each by itself."""


@contextmanager
def prefect_server(settings: Settings, *, port: int | None = None) -> Iterator[str]:
    """Set the environment for Prefect and yield the API's address; on exit, stop a server that nobody else uses."""
    settings.prefect_home.mkdir(parents=True, exist_ok=True)
    redact_logs(settings.prefect_home)
    profile = _profile_with_server()
    os.environ["PREFECT_HOME"] = str(settings.prefect_home)
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if url := os.environ.get("PREFECT_API_URL"):
        _check_reachable(url)
        yield url
        return
    if profile is not None:
        say(f"Prefect's profile {profile} names a server, which is not used: set PREFECT_API_URL to use it.")
    with _using(settings.prefect_home, port) as url:
        os.environ["PREFECT_API_URL"] = url
        os.environ["PREFECT_UI_URL"] = url.removesuffix("/api")
        try:
            yield url
        finally:
            del os.environ["PREFECT_API_URL"], os.environ["PREFECT_UI_URL"]


def revive_server(settings: Settings, url: str) -> bool:
    """Start our own server of that address again where its process is gone, and say whether it was.

    Raises UserError where it does not start.

    Only for whoever has a server of our own: that of a person, named by PREFECT_API_URL, is theirs.
    """
    home = settings.prefect_home
    if prefect_process.find(home) is not None:
        return False
    with (home / "start.lock").open("w") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        if prefect_process.find(home) is not None:
            return False
        prefect_process.start(home, urlsplit(url).port)
    return True


def wait_until_settled(url: str, task_runs: Collection[str]) -> bool:
    """Wait until the server knows the end of all these task runs. False where that takes too long."""
    final = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
    query = {"task_runs": {"id": {"any_": list(task_runs)}, "state": {"type": {"any_": final}}}}
    deadline = time.monotonic() + SETTLE_LIMIT
    while time.monotonic() < deadline:
        try:
            if _post(f"{url}/task_runs/count", query) == len(task_runs):
                return True
        except HTTPError as error:
            if error.code < 500:  # SQLite may be locked for a moment, and then the server answers 503
                return False
        except OSError:
            pass
        time.sleep(0.5)
    return False


@contextmanager
def _using(home: Path, port: int | None) -> Iterator[str]:
    with (home / "start.lock").open("w") as start, (home / "users.lock").open("w") as users:
        fcntl.flock(start, fcntl.LOCK_EX)
        server = prefect_process.find(home)
        if server is None or not server.wait_until_healthy():
            prefect_process.stop(home)
            say("Starting Prefect; this takes 10 to 40 seconds ...")
            server = prefect_process.start(home, port)
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(start, fcntl.LOCK_UN)
        try:
            yield server.url
        finally:
            fcntl.flock(start, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_UN)
            if _nobody_uses(home):
                prefect_process.stop(home)


def _nobody_uses(home: Path) -> bool:
    with (home / "users.lock").open("w") as users, suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _profile_with_server() -> str | None:
    """The active profile in the person's own Prefect home, where it names a server.

    Not followed: its server may be one that is not running, and a first `make run` has to work there, too.
    """
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    try:
        profiles = tomllib.loads(Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml")).read_text())
        name = str(os.environ.get("PREFECT_PROFILE") or profiles["active"])
        return name if profiles["profiles"][name]["PREFECT_API_URL"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_reachable(url: str) -> None:
    host = urlsplit(url).hostname
    request = Request(f"{url}/health", headers=_authorization())
    try:
        urlopen(request, timeout=10).close()
    except (URLError, OSError, ValueError) as error:
        raise UserError(
            f"The Prefect API at {host} (PREFECT_API_URL) does not answer: {error}. "
            "Start it, correct the address, or unset PREFECT_API_URL to use a server of our own."
        ) from None


def _authorization() -> dict[str, str]:
    """What Prefect's client sends as well: a key for Prefect Cloud, a name and password for a server of one's own."""
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if pair := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _post(url: str, body: object) -> object:
    headers = {"Content-Type": "application/json", **_authorization()}
    with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=10) as answer:
        return json.loads(answer.read())
