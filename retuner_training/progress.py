"""How a training tells where it is, and hears that it shall stop."""

import time
from collections.abc import Callable

from retuner_training.errors import StopTraining


def _never() -> bool:
    return False


class Progress:
    """Reports of one training: (step, value) pairs, kept here and handed on to `send`.

    Of a recipe that reports more often than every `period` steps, so many are left out that compute targets bear the
    rest; which ones depends on the steps alone, so that they are the same on every target. `stop_asked` is looked at on
    every report; `seconds` bounds the wall time from construction on.
    """

    def __init__(
        self,
        send: Callable[[int, float], None] | None = None,
        *,
        period: int = 1,
        stop_asked: Callable[[], bool] = _never,
        seconds: float | None = None,
    ) -> None:
        self.reports: list[tuple[int, float]] = []
        self._left_out: tuple[int, float] | None = None
        self._send = send
        self._period = period
        self._stop_asked = stop_asked
        self._seconds = seconds
        self._started = time.monotonic()

    def report(self, step: int, value: float) -> None:
        """Hand on the objective's value after `step` steps. Raises StopTraining where the training shall end."""
        report = (step, float(value))  # numpy scalars cannot travel as msgpack
        if self.reports and step - self.reports[-1][0] < self._period:
            self._left_out = report
        else:
            self._hand_on(report)
        self.check()

    def finish(self) -> None:
        """Hand on the last report where it was left out: the training has ended, and that is where."""
        if self._left_out is not None:
            self._hand_on(self._left_out)

    def _hand_on(self, report: tuple[int, float]) -> None:
        self._left_out = None
        self.reports.append(report)
        if self._send is not None:
            self._send(*report)

    def check(self) -> None:
        """Raise StopTraining where the training shall end; for recipes with long phases before the first report."""
        if self._stop_asked():
            raise StopTraining("asked")
        if self._seconds is not None and time.monotonic() - self._started > self._seconds:
            raise StopTraining("timeout")
