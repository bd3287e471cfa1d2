"""How long the coordinator waits between two looks, and how long it bears with a target that does not answer."""

import time
from dataclasses import dataclass

from retuner.errors import RetryableError


@dataclass(frozen=True)
class Pace:
    """Seconds. The pause is short while trials report, and grows to `longest` while nothing happens.

    A target that tells of a job's end ends the pause at once.
    """

    shortest: float = 0.1
    """A look costs milliseconds of a core that trials may share; a stop is decided that much later at most."""
    longest: float = 0.2
    longest_after_error: float = 30.0
    patience: float = 300.0
    """A target that has not answered for that long is given up."""
    stop: float = 8.0
    """Jobs that have not ended that long after the stop event are left to the clean-up."""
    close: float = 60.0
    """The same after the end of the budget. A target restarts a node whose job ignores it for 30 s."""


class Patience:
    """The pause before the next look."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._failing_since: float | None = None
        self.seconds = pace.shortest

    @property
    def is_tried(self) -> bool:
        """Whether the target's last answer is still awaited."""
        return self._failing_since is not None

    def answered(self, *, changed: bool) -> None:
        """The target answered; whether there was any news."""
        self._failing_since = None
        self.seconds = self._pace.shortest if changed else min(self.seconds * 1.5, self._pace.longest)

    def failed(self, error: RetryableError, *, limit: float) -> None:
        """The target did not answer. Raises the error once that has been so for `limit` seconds."""
        present = time.monotonic()
        if self._failing_since is None:
            self._failing_since = present
            self.seconds = self._pace.longest
        elif present - self._failing_since > limit:
            raise error
        else:
            self.seconds = min(self.seconds * 2, self._pace.longest_after_error)
