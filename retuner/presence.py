"""Which flow runs of this home have a live process: each holds a lock that ends with it, whatever ends it.

Prefect's state can lag behind or stay Running for ever after a kill -9; a lock cannot.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from retuner.settings import Settings


@contextmanager
def announce(flow_run: str | None, settings: Settings) -> Iterator[None]:
    """Say that the flow run has a process as long as this lasts."""
    if flow_run is None:
        yield
        return
    path = _folder(settings) / f"{flow_run}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    # waits for a moment: whoever looks whether it is held takes it
    with FileLock(path, timeout=5, fallback_to_soft=False):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # whoever raises has said how it ended


def gone(settings: Settings) -> set[str]:
    """Ids of the flow runs whose process ended without saying so."""
    return {path.stem for path in _folder(settings).glob("*.lock") if _is_free(path)}


def is_alive(flow_run: str, settings: Settings) -> bool:
    """Whether the flow run has a process on this host; of another host's nothing is known here."""
    path = _folder(settings) / f"{flow_run}.lock"
    return path.exists() and not _is_free(path)


def forget(flow_run: str, settings: Settings) -> None:
    """Take note that the end of the flow run has been dealt with; one that was started again keeps its lock."""
    path = _folder(settings) / f"{flow_run}.lock"
    with _taken(path) as free:
        if free:
            path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    with _taken(path) as free:
        return free


@contextmanager
def _taken(path: Path) -> Iterator[bool]:
    """Whether the lock could be taken, which is held inside; one that is not there was given back, and is not made."""
    try:
        file = path.open("r+")
    except FileNotFoundError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield os.fstat(file.fileno()).st_nlink > 0  # it may have been removed after it was opened


def _folder(settings: Settings) -> Path:
    return settings.home / "flow-runs"
