"""What the person who started a retune sees while it runs: a progress bar on a terminal, plain lines elsewhere."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from retuner.parameters import Parameters


@contextmanager
def show_progress(parameters: Parameters, *, debug: bool) -> Iterator[None]:
    """Show the log lines of retuner on stderr, and how many trials have ended."""
    if debug or not sys.stderr.isatty():
        with show_lines():
            yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    shown = ("trials", BarColumn(), MofNCompleteColumn(), "{task.description}", TimeElapsedColumn())
    bar = Progress(*shown, console=Console(stderr=True), transient=True)
    with bar, _attached(_BarHandler(bar, parameters.search.trials)):
        yield


@contextmanager
def show_lines() -> Iterator[None]:
    """Show the log lines of retuner on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    with _attached(handler):
        yield


def _shown(record: logging.LogRecord) -> str:
    """What a terminal says of the record; nothing of an error that the command ends with."""
    return str(getattr(record, "in_short", record.getMessage()))


class _Line(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        record.message = _shown(record)
        return super().formatMessage(record)


class _BarHandler(logging.Handler):
    """Records that carry a `progress` move the bar; all others are lines above it."""

    def __init__(self, bar: Any, trials: int) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("", total=trials)

    def emit(self, record: logging.LogRecord) -> None:
        progress = getattr(record, "progress", None)
        if progress is None:
            self._bar.console.print(_shown(record), markup=False, highlight=False)
            return
        ended = sum(count for state, count in progress.states.items() if state.is_finished())
        best = "" if progress.best_value is None else f"best {progress.best_value:.4f}"
        self._bar.update(self._task, completed=ended, total=progress.planned, description=best)


@contextmanager
def _attached(handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger("retuner")
    handler.addFilter(lambda record: bool(_shown(record)))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
