"""Where trials run: the protocol that every compute target follows."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from retuner_training.job import Job, JobResult

GOES_ON = "the same command goes on from there"
"""What a person does about a stop that came before the jobs."""
TAIL_LINES = 40
"""Lines of a job's log that a target tells."""
SHORT_SECONDS = 0.5
"""Longer jobs have none behind them on their node: the way to the next is 20 to 40 ms, less than a tenth of theirs."""
StudyEnd = Literal["completed", "failed", "stopped"]
"""How a study ended on its target; one that was stopped can be continued."""


class JobState(StrEnum):
    """How far a job is on its compute target."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    """It ended early because it was cancelled or out of time."""
    FAILED = "failed"
    """The training code raised."""
    LOST = "lost"
    """Its node died or forgot it; nothing is wrong with the job."""

    def is_finished(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class JobStatus:
    """What one poll tells of one job."""

    state: JobState
    reports: tuple[tuple[int, float], ...] = ()
    """Reports of a step above the one asked for, in order."""
    result: JobResult | None = None
    """Set where the job left a result behind."""
    message: str | None = None
    """Why it is failed, stopped or lost."""
    node: str | None = None
    began: datetime | None = None
    """When it got its node, where the target knows that."""
    preempted: bool = False
    """Whether it is lost because its node was taken away, which is in the nature of low-priority nodes."""
    not_begun: bool = False
    """Whether it is lost before it began, as it waited behind another job on its node."""

    @classmethod
    def of(cls, result: JobResult) -> "JobStatus":
        """The status of a job that left a result behind."""
        return cls(JobState(result.outcome), tuple(result.reports), result, result.reason)

    def is_timeout(self) -> bool:
        """Whether the job was stopped because its own seconds were over."""
        words = self.result.reason if self.result else self.message
        return self.state is JobState.STOPPED and (words or "").startswith("timeout")


class ComputeTarget(Protocol):
    """Runs jobs. Used from one thread. Methods raise RetryableError or UserError, never the library's errors."""

    news: threading.Event
    """Set by a target that hears when a job ends, so that a poll is worth it at once. Who waits for it clears it."""
    ahead: int
    """Most jobs that a node can be given beyond a short one that it runs; they begin one by one when that has ended."""

    @property
    def nodes(self) -> int:
        """Jobs that can run at once after the last `scale`."""

    def kept_nodes(self) -> int:
        """Nodes that are kept up while no job waits for them, as it is now; asked before the first `scale`."""

    def scale(self, minimum: int, maximum: int) -> None:
        """Set the number of nodes; returns once at least one can be had. With 0 at most, nodes are given back."""

    def submit(self, job: Job) -> None:
        """Start a job. Idempotent: a name that is known already is not started again."""

    def poll(self, jobs: Mapping[str, int]) -> dict[str, JobStatus]:
        """The status of each job by name, with its reports of steps above the given one. One call for all.

        A name that the target does not know is LOST.
        """

    def find(self, study: str) -> list[str]:
        """Names of the study's jobs that are not finished; of any process, for adoption and clean-up."""

    def cancel(self, names: Iterable[str]) -> None:
        """Ask jobs to stop. Returns at once; a later poll tells when they have. Unknown names are no fault."""

    def log_tail(self, name: str) -> str:
        """The last lines that the job wrote, empty where nothing is known."""

    def link(self, name: str) -> str | None:
        """Address of a page about the job or the study; None where there is none. No request; from any thread."""

    def close(self, end: StudyEnd = "stopped") -> None:
        """Cancel what this process submitted and end what it started. Can be called again where it raised.

        `end` is what is told of a study where the target shows it.
        """
