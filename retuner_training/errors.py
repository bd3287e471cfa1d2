"""What the training package raises on purpose."""

from collections.abc import Sequence

_NAMED = 3  # faulty rows that a message names; it counts the others


class InvalidInput(Exception):
    """The data, the recipe or a hyperparameter is unusable; the message is one sentence that says what to do."""


class StopTraining(Exception):
    """Raised out of `Progress.report` when the trial shall end now: pruned, cancelled or out of time."""


class Unreachable(OSError):
    """The storage did not give the job its dataset: nothing is wrong with the job, and another try may do."""


def listed(faults: Sequence[str]) -> str:
    """The first few faults, and how many more there are, for a message."""
    more = len(faults) - _NAMED
    return ", ".join(faults[:_NAMED]) + (f" and {more} more" if more > 0 else "")
