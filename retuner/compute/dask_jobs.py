"""What the Dask target knows of a job, and which jobs may wait at a worker for the end of another."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from retuner.compute.dask_cluster import Worker
from retuner.compute.target import SHORT_SECONDS, JobStatus
from retuner_training.job import Job


@dataclass
class SubmittedJob:
    """What is known of one job. `started`, `ended` and `reports` are set by the events of its worker."""

    job: Job
    worker: Worker | None = None
    future: Any = None
    reports: list[tuple[int, float]] = field(default_factory=list)
    started: float | None = None
    """Time (monotonic) at which its start was heard of."""
    began: datetime | None = None
    """The same by the clock."""
    ended: bool = False
    cancelled: float | None = None
    """Time (monotonic) of the request to stop."""
    reason: str = "asked"
    """Why it was requested to stop."""
    forced: bool = False
    """Its worker was asked to restart, or cannot be."""
    final: JobStatus | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it has ended, and its worker is free as well."""
        return self.final is not None and (self.ended or not self.forced)


def may_have_more(given: Sequence[SubmittedJob], ahead: int) -> bool:
    """Whether the worker with these jobs may have another behind them: where it runs a short one, as far as is known.

    One that was asked to stop may never do so.
    """
    first = given[0]
    is_long = first.started is not None and time.monotonic() - first.started > SHORT_SECONDS
    return len(given) <= ahead and first.cancelled is None and not is_long


def names_behind(jobs: Iterable[SubmittedJob]) -> set[str]:
    """Names of those that have not begun and are not the first on their worker; in the order of their submission."""
    busy: set[str] = set()
    behind: set[str] = set()
    for entry in jobs:
        if entry.worker is not None:
            if entry.worker.id in busy and entry.started is None:
                behind.add(entry.job.name)
            busy.add(entry.worker.id)
    return behind
