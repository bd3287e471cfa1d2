"""The states of a trial and of a study."""

from enum import StrEnum
from typing import Literal

Direction = Literal["maximize", "minimize"]
"""Which way the objective is better."""


class TrialState(StrEnum):
    """What the ledger says of a trial; docs/states.md maps it to Optuna's, Prefect's and the counters' words."""

    ASKED = "asked"
    SUBMITTED = "submitted"
    RUNNING = "running"
    COMPLETED = "completed"
    PRUNED = "pruned"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    def is_finished(self) -> bool:
        """Whether the trial has ended for good: it is not tried again when the study is resumed."""
        return self in (TrialState.COMPLETED, TrialState.PRUNED, TrialState.FAILED)


class StudyState(StrEnum):
    """How far a study is."""

    OPEN = "open"
    """Not finished: worked on where its lease is held, else resumable."""
    FINISHED = "finished"
    FAILED = "failed"
