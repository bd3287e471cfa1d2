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
    first_since: float | None = None
    """Time (monotonic) at which it was seen that nothing is before it on its worker."""
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


def by_worker(jobs: Iterable[SubmittedJob]) -> dict[str, list[SubmittedJob]]:
    """Those that were given to a worker, by its id, as they were submitted: the first is the one that it runs."""
    given: dict[str, list[SubmittedJob]] = {}
    for entry in jobs:
        if entry.worker is not None:
            given.setdefault(entry.worker.id, []).append(entry)
    return given


def seconds_at(first: SubmittedJob) -> float:
    """For how long a worker has been at its first job, or on the way to it."""
    since = first.started if first.started is not None else first.first_since
    return 0.0 if since is None else time.monotonic() - since


def may_have_more(given: Sequence[SubmittedJob], ahead: int) -> bool:
    """Whether the worker with these jobs may have another behind them: where it runs a short one, as far as is known.

    One that was asked to stop may never do so, and a worker of several threads begins with all at once.
    """
    first = given[0]
    is_orderly = first.worker is not None and first.worker.threads == 1
    return is_orderly and len(given) <= ahead and first.cancelled is None and seconds_at(first) <= SHORT_SECONDS


def behind(jobs: Iterable[SubmittedJob]) -> list[SubmittedJob]:
    """Those that have not begun and are not the first on their worker."""
    return [entry for given in by_worker(jobs).values() for entry in given[1:] if entry.started is None]
