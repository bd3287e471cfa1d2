"""A compute target in memory that does the work: each poll, every running job takes its next steps."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retuner.compute.target import ComputeTarget, JobState, JobStatus, StudyEnd
from retuner.errors import RetryableError
from retuner_training.job import Job, JobResult

Curve = Callable[[dict[str, Any]], list[float]]
"""Hyperparameters to the objective's value after each step; an exception is a training that fails."""


def rising(parameters: dict[str, Any]) -> list[float]:
    """Five reports that rise to x."""
    return [parameters["x"] * share for share in (0.5, 0.7, 0.8, 0.9, 1.0)]


@dataclass
class Running:
    job: Job
    values: list[float] = field(default_factory=list)
    error: Exception | None = None
    taken: int = 0
    stop: bool = False
    status: JobStatus | None = None
    """Set where it has ended."""


class FakeTarget:
    """Nodes that advance their jobs by `speed` reports a poll. Results outlive it in `storage`.

    As on the real targets, a completed result is taken as it is; a stopped or failed one is removed and trained again.
    """

    def __init__(
        self,
        curve: Curve = rising,
        *,
        nodes: int = 1,
        speed: int = 1,
        took: float = 1.0,
        storage: dict[str, JobResult] | None = None,
    ) -> None:
        self.news = threading.Event()
        self.ahead = 0
        self.size = nodes
        self.storage = {} if storage is None else storage
        self.submitted: list[str] = []
        self.trained: list[str] = []
        self.cancelled: list[str] = []
        self.polls = 0
        self.busiest = 0
        self.deaf = False
        """Whether jobs ignore that they are cancelled."""
        self.silent = 0
        """Calls to poll or submit that fail from now on."""
        self.on_poll: Callable[[], None] | None = None
        self._curve = curve
        self._speed = speed
        self._took = took
        self._jobs: dict[str, Running] = {}

    @property
    def nodes(self) -> int:
        return self.size

    def kept_nodes(self) -> int:
        return 0

    def scale(self, minimum: int, maximum: int) -> None:
        self.size = maximum

    def submit(self, job: Job) -> None:
        self._answer()
        if job.name in self._jobs:
            return
        self.submitted.append(job.name)
        running = self._jobs[job.name] = Running(job)
        stored = self.storage.get(job.name)
        if stored is not None and stored.outcome == "completed":
            running.status = self._status(stored)
            return
        self.storage.pop(job.name, None)
        self.trained.append(job.name)
        try:
            running.values = self._curve(job.parameters)
        except Exception as error:  # noqa: BLE001 - a training may raise anything
            running.error = error
        self.busiest = max(self.busiest, len(self.living()))

    def poll(self, jobs: Mapping[str, int]) -> dict[str, JobStatus]:
        self._answer()
        self.polls += 1
        for running in self._jobs.values():
            if running.status is None:
                self._advance(running)
        if self.on_poll is not None:
            self.on_poll()
        return {name: self._seen(name, step) for name, step in jobs.items()}

    def find(self, study: str) -> list[str]:
        return [name for name in self.living() if self._jobs[name].job.study == study]

    def cancel(self, names: Iterable[str]) -> None:
        for name in names:
            self.cancelled.append(name)
            if name in self._jobs and not self.deaf:
                self._jobs[name].stop = True

    def log_tail(self, name: str) -> str:
        self._answer()
        return f"the last words of {name}"

    def link(self, name: str) -> str | None:
        return None

    def close(self, end: StudyEnd = "stopped") -> None:
        self._jobs.clear()

    def living(self) -> list[str]:
        """Names of the jobs that have not ended."""
        return [name for name, running in self._jobs.items() if running.status is None]

    def lose(self, name: str) -> None:
        """The job's node dies, and the job with it."""
        self._jobs[name].status = JobStatus(JobState.LOST, message="the worker died")

    def _answer(self) -> None:
        if self.silent:
            self.silent -= 1
            raise RetryableError("the target does not answer")

    def _advance(self, running: Running) -> None:
        if running.error is not None:
            reason = f"{type(running.error).__name__}: {running.error}"
            return self._end(running, "failed", reason=reason)
        running.taken = min(running.taken + self._speed, len(running.values))
        if running.taken == len(running.values):
            return self._end(running, "completed")
        if running.stop:
            return self._end(running, "stopped", reason="asked")
        if running.job.seconds is not None and running.taken > running.job.seconds:
            return self._end(running, "stopped", reason="timeout")
        return None

    def _end(self, running: Running, outcome: Any, *, reason: str | None = None) -> None:
        reports = self._reports(running)
        value = reports[-1][1] if reports and outcome == "completed" else None
        result = JobResult(
            running.job.name,
            outcome,
            value=value,
            metrics={} if value is None else {"gain@1": value},
            reports=reports,
            reason=reason,
            seconds=self._took,
        )
        self.storage[running.job.name] = result
        running.status = self._status(result)

    def _reports(self, running: Running) -> list[tuple[int, float]]:
        return [(10 * index, value) for index, value in enumerate(running.values[: running.taken], start=1)]

    def _status(self, result: JobResult) -> JobStatus:
        return JobStatus(JobState(result.outcome), result=result, message=result.reason)

    def _seen(self, name: str, step: int) -> JobStatus:
        if name not in self._jobs:
            return JobStatus(JobState.LOST)
        running = self._jobs[name]
        if running.status is not None:
            return running.status
        reports = tuple(report for report in self._reports(running) if report[0] > step)
        return JobStatus(JobState.RUNNING, reports=reports, node="node-1")


if TYPE_CHECKING:
    _: ComputeTarget = FakeTarget()
