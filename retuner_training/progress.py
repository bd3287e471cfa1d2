"""How a training tells where it is, and hears that it shall stop."""

import time
from collections.abc import Callable

from retuner_training.errors import StopTraining


def _never() -> bool:
    return False


class Progress:
    """Reports of one training: (step, value) pairs, kept here and handed on to `send`.

    `stop_asked` is looked at on every report; `seconds` bounds the wall time from construction on.
    """

    def __init__(
        self,
        send: Callable[[int, float], None] | None = None,
        *,
        stop_asked: Callable[[], bool] = _never,
        seconds: float | None = None,
    ) -> None:
        self.reports: list[tuple[int, float]] = []
        self._send = send
        self._stop_asked = stop_asked
        self._seconds = seconds
        self._started = time.monotonic()

    def report(self, step: int, value: float) -> None:
        """Hand on the objective's value after `step` steps. Raises StopTraining where the training shall end."""
        value = float(value)  # numpy scalars cannot travel as msgpack
        self.reports.append((step, value))
        if self._send is not None:
            self._send(step, value)
        self.check()

    def check(self) -> None:
        """Raise StopTraining where the training shall end; for recipes with long phases before the first report."""
        if self._stop_asked():
            raise StopTraining("asked")
        if self._seconds is not None and time.monotonic() - self._started > self._seconds:
            raise StopTraining("timeout")
