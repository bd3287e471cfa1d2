"""Which flow runs of this home have a live process: each holds a lock that ends with it, whatever ends it.

Prefect's state can lag behind or stay Running for ever after a kill -9; a lock cannot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

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
        yield
        path.unlink(missing_ok=True)


def gone(settings: Settings) -> set[str]:
    """Ids of the flow runs whose process ended without saying so."""
    return {path.stem for path in _folder(settings).glob("*.lock") if _is_free(path)}


def forget(flow_run: str, settings: Settings) -> None:
    """Take note that the end of the flow run has been dealt with."""
    (_folder(settings) / f"{flow_run}.lock").unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    try:
        with FileLock(path, blocking=False, fallback_to_soft=False):
            return True
    except Timeout:
        return False


def _folder(settings: Settings) -> Path:
    return settings.home / "flow-runs"
