"""Jobs that wait at a node for the end of the one before, so that it has work while its news is on the way."""

from collections import deque

from retuner.compute.target import SHORT_SECONDS
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState

SHORT_TRIALS = 8
"""That many completed trials in a row must have been short: what waits behind a long one might have run elsewhere."""


class Ahead:
    """Says how many jobs a node may be given beyond the one that it runs."""

    def __init__(self, most: int) -> None:
        """`most` is what the target takes for a node."""
        self._most = most
        self._seconds: deque[float] = deque(maxlen=SHORT_TRIALS)

    def heard(self, trial: TrialRecord) -> None:
        """Take in a trial that has ended. Of one that was stopped early is known at most that it is long."""
        if trial.seconds is not None and (trial.state is TrialState.COMPLETED or trial.seconds >= SHORT_SECONDS):
            self._seconds.append(trial.seconds)

    def jobs(self, nodes: int, to_come: int) -> int:
        """As many as fit into what a short trial may take: none where trials are longer than that.

        Never more than half of the trials to come: one that is long after all holds up what waits behind it, and then
        the other nodes have work for as long.
        """
        if len(self._seconds) < SHORT_TRIALS or max(self._seconds) >= SHORT_SECONDS:
            return 0
        fitting = int(SHORT_SECONDS / max(*self._seconds, 1e-3))
        return min(self._most, fitting, to_come // (2 * max(nodes, 1)))
