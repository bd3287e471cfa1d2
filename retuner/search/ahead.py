"""Jobs that wait at a node for the end of the one before, so that it has work while its news is on the way."""

from collections import deque

from retuner.search.records import TrialRecord

SHORT_SECONDS = 0.5
"""The way from one trial to the next takes 20 to 40 ms: less than a tenth of trials that are not short."""
TRIALS = 8
"""That many trials in a row must have been short. A job that waits behind a long one might have run elsewhere."""


class Ahead:
    """Says how many jobs a node may be given beyond the one that it runs."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seconds: deque[float] = deque(maxlen=TRIALS)

    def heard(self, trial: TrialRecord) -> None:
        """Take in a trial that has ended."""
        if trial.seconds is not None:
            self._seconds.append(trial.seconds)

    @property
    def jobs(self) -> int:
        """As many as the target takes where trials are short, else none."""
        return self._most if len(self._seconds) == TRIALS and max(self._seconds) < SHORT_SECONDS else 0
