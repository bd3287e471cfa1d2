"""Trials on Dask: on worker processes of this machine, or on the workers of any scheduler."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retuner.compute.dask_cluster import DaskCluster, Worker
from retuner.compute.dask_jobs import SubmittedJob, behind, by_worker, may_have_more, seconds_at
from retuner.compute.dask_limits import GRACE_SECONDS, PATIENCE_SECONDS
from retuner.compute.snapshot import Snapshot
from retuner.compute.target import GOES_ON, TAIL_LINES, JobState, JobStatus, StudyEnd
from retuner.errors import Interrupted, RetryableError, UserError
from retuner_training.dataset import MANIFEST
from retuner_training.job import Job
from retuner_training.result import LOG, RESULT, read_result, sha256_of

AHEAD = 16
"""Jobs at most that wait at a worker."""
START_SECONDS = 60.0
CLOSE_SECONDS = 2.0
TAKE_BACK_SECONDS = 2.0
"""After so long nothing waits any more for the end of a job that was taken for a short one."""
LIST_SECONDS = 0.5
"""The scheduler is asked for its workers that often at most, which takes 3 ms: jobs that end tell of it themselves."""
_log = logging.getLogger(__name__)


class DaskTarget:
    """Runs one job at a time on each worker, chosen here, and takes results from storage alone.

    What is submitted beyond one job a worker waits at one that runs a short job, and begins when that has ended. It is
    lost with it where the worker dies or hangs, but not as one that began.

    A stop is a cancelled key, which the training looks at with every report and which also tells it that its
    client is gone. A job that has not stopped `patience` seconds later has its worker restarted. A training looks at
    its own seconds, but one that never reports does not: `grace` seconds after them it is stopped from here. `stop`
    ends the waiting for a scheduler and its workers.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        scratch: Path,
        address: str | None = None,
        threads: int = 1,
        patience: float = PATIENCE_SECONDS,
        grace: float = GRACE_SECONDS,
        stop: threading.Event | None = None,
    ) -> None:
        self.news = threading.Event()
        self.ahead = AHEAD
        self._stop = stop or threading.Event()
        self._snapshot = snapshot
        self._scratch = scratch
        self._address = address
        self._threads = threads
        self._patience = patience
        self._grace = grace
        self._maximum = 0
        self._open: DaskCluster | None = None
        self._workers: dict[str, Worker] = {}
        self._listed = float("-inf")
        self._jobs: dict[str, SubmittedJob] = {}
        self._unsettled: dict[str, SubmittedJob] = {}
        """Of them those that have not ended, or were given up and still hold their worker."""
        self._reachable: set[tuple[str, str]] = set()
        """(dataset, id of a worker that sees it)."""

    @property
    def nodes(self) -> int:
        """Workers to be used. An embedded worker that is restarted counts: its next job waits for it here."""
        if self._open is None or self._open.is_embedded:
            return self._maximum
        return min(self._maximum, len(self._workers) - len(self._deaf()))

    @property
    def _live(self) -> list[SubmittedJob]:
        """Jobs that have not ended, as they were submitted."""
        return [entry for entry in self._unsettled.values() if entry.final is None]

    @property
    def _cluster(self) -> DaskCluster:
        if self._open is None:
            self._open = DaskCluster(
                self._snapshot,
                address=self._address,
                threads=self._threads,
                scratch=self._scratch,
                on_event=self._on_event,
                stop=self._stop,
            )
        return self._open

    def kept_nodes(self) -> int:
        """None of ours: an embedded cluster ends with us, and the workers of another are their owner's."""
        return 0

    def scale(self, minimum: int, maximum: int) -> None:
        """Use up to `maximum` workers: started here where the cluster is embedded, else those that are there."""
        self._maximum = maximum
        if maximum == 0 and self._open is None:
            return
        self._cluster.resize(maximum)
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._workers = self._cluster.check()
            if len(self._workers) >= min(1, maximum):
                return
            if time.monotonic() > deadline:
                raise RetryableError(
                    f"No Dask worker came to {self._cluster.address} in {START_SECONDS:.0f} s: start one with "
                    f"'dask worker {self._cluster.address}' where the packages of requirements.txt are installed."
                )
            if self._stop.wait(0.05):
                raise Interrupted(f"Stopped while waiting for workers of {self._cluster.address}; {GOES_ON}.")

    def submit(self, job: Job) -> None:
        """Start the job on a free worker, or as soon as there is one; a name that is known is left as it is."""
        if job.name in self._jobs:
            return
        entry = SubmittedJob(job)
        earlier = read_result(Path(job.output))
        if earlier is not None and earlier.outcome == "completed":
            entry.final = JobStatus.of(earlier)
        else:
            # what is found there later must be this attempt's
            (Path(job.output) / RESULT).unlink(missing_ok=True)
        self._jobs[job.name] = self._unsettled[job.name] = entry
        self._dispatch()

    def poll(self, jobs: Mapping[str, int]) -> dict[str, JobStatus]:
        """At most one call to the scheduler for all jobs; their reports have come as events before."""
        waiting = self._live
        if waiting or self.nodes < 1:
            if time.monotonic() - self._listed >= LIST_SECONDS:
                self._workers = self._cluster.workers()
                self._listed = time.monotonic()
            not_begun = {entry.job.name for entry in behind(waiting)}
            for entry in waiting:
                self._look_at(entry, not_begun=entry.job.name in not_begun)
            self._take_back()
            self._dispatch()
        self._unsettled = {name: entry for name, entry in self._unsettled.items() if not entry.is_settled}
        return {name: self._status(name, since) for name, since in jobs.items()}

    def find(self, study: str) -> list[str]:
        """Unfinished jobs of the study: this process's own, and those on the scheduler that others submitted."""
        own = [entry.job.name for entry in self._live if entry.job.study == study]
        others = self._cluster.keys_with_prefix(f"{study}-") if self._open or self._address else []
        return sorted({*own, *(name for name in others if name not in self._jobs)})

    def cancel(self, names: Iterable[str]) -> None:
        """Withdraw the jobs' keys; trainings see it at their next report."""
        names = list(names)
        foreign = [name for name in names if name not in self._jobs]
        own = [self._jobs[name] for name in names if name in self._jobs]
        for entry in sorted(own, key=lambda entry: entry.started is not None):  # else one begins when another stops
            if entry.final is None and entry.cancelled is None:
                self._withdraw(entry)
        if foreign and (self._open or self._address):
            self._cluster.cancel_keys(foreign)

    def log_tail(self, name: str) -> str:
        """The last lines that the job wrote, with its traceback where it failed."""
        entry = self._jobs.get(name)
        if entry is None:
            return ""
        result = entry.final.result if entry.final else None
        try:
            written = (Path(entry.job.output) / LOG).read_text(errors="replace")
        except OSError:
            written = ""
        lines = f"{written}\n{(result and result.traceback) or ''}".strip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def link(self, name: str) -> str | None:
        """None: the dashboard, where there is one, knows keys and no studies."""
        return None

    def close(self, end: StudyEnd = "stopped") -> None:
        """Stop this process's jobs, wait for them shortly, leave the cluster and end it where it is embedded."""
        if self._open is None:
            return
        running = [entry for entry in self._live if entry.started is not None]
        self.cancel([entry.job.name for entry in self._live])
        deadline = time.monotonic() + CLOSE_SECONDS
        while time.monotonic() < deadline and not all(entry.ended for entry in running):
            time.sleep(0.02)
        self._open.close()
        self._open = None
        self._workers = {}

    def _on_event(self, event: dict[str, Any]) -> None:
        """What a worker tells of one job; called in the Dask client's thread."""
        entry = self._jobs.get(event["job"])
        if entry is None or entry.worker is None or entry.worker.id != event["process"]:
            return
        if event["event"] == "report":
            entry.reports.append((event["step"], event["value"]))
        elif event["event"] == "started":
            entry.started, entry.began = time.monotonic(), datetime.now(UTC)
        else:
            entry.ended = True
            self.news.set()

    def _dispatch(self) -> None:
        """Give waiting jobs to free workers, and what is more than all can run to busy ones, as they were submitted."""
        waiting = [entry for entry in self._live if entry.worker is None]
        for worker in self._with_room() if waiting else ():
            if not waiting:
                break
            if not self._reaches(waiting[0].job, worker):
                continue
            entry = waiting.pop(0)
            entry.worker = worker  # before it is sent: its first events may come at once
            try:
                entry.future = self._cluster.submit(entry.job, worker)
            except BaseException:
                entry.worker = None  # it waits again, and the worker is free
                raise

    def _with_room(self) -> list[Worker]:
        """Workers that can be given a job now: free ones first, then busy ones for what is more than all can run.

        Of these, who has the fewest jobs comes first.
        """
        live = self._live
        given = by_worker(live)
        taken = given.keys() | self._deaf()
        free = [worker for id_, worker in self._workers.items() if id_ not in taken]
        busy = [worker for id_, worker in self._workers.items() if id_ in given]
        ending = [worker for worker in busy if may_have_more(given[worker.id], self.ahead)]
        ending.sort(key=lambda worker: len(given[worker.id]))
        more = len(live) - self.nodes - sum(len(entries) - 1 for entries in given.values())
        return free[: max(0, self._maximum - len(taken))] + ending[: max(0, more)]

    def _reaches(self, job: Job, worker: Worker) -> bool:
        """Once per dataset and worker: it must see the files that we see, on whatever machine it is.

        Raises UserError where it does not; one that does not answer is left out until it is listed again.
        """
        if (job.dataset, worker.id) in self._reachable or self._cluster.is_embedded:
            return True
        manifest = Path(job.dataset) / MANIFEST
        expected = sha256_of(manifest) if manifest.is_file() else None
        found = self._cluster.hashes_of(str(manifest), [worker])
        if worker.id not in found:
            self._workers.pop(worker.id, None)
            return False
        if expected is None or found[worker.id] != expected:
            raise UserError(
                f"The Dask worker {worker.address} does not see the dataset {job.dataset}: keep the store in a folder "
                f"that this machine and all workers share under the same path."
            )
        self._reachable.add((job.dataset, worker.id))
        return True

    def _look_at(self, entry: SubmittedJob, *, not_begun: bool) -> None:
        """Settle the job where it has ended in one way or another, stop it where its time is over.

        `not_begun` tells of one that waits behind another.
        """
        if entry.worker is None or entry.future is None or entry.final is not None:
            return
        if entry.cancelled is None and self._is_overdue(entry):
            entry.reason = f"timeout: it went on after its {entry.job.seconds:.0f} s"
            self._withdraw(entry)
        gone = entry.worker.id not in self._workers
        done = entry.future.status != "pending"
        silent = entry.cancelled is not None and entry.started is None and time.monotonic() - entry.cancelled > 1
        if gone or entry.ended or silent or (done and entry.cancelled is None):
            entry.final = self._conclude(entry, gone=gone, not_begun=not_begun)
            if entry.final is not None:
                entry.future.release()  # else the scheduler keeps the key, and mourns it when the worker goes
        elif entry.cancelled is not None and time.monotonic() - entry.cancelled > self._patience:
            self._force(entry, entry.worker)

    def _is_overdue(self, entry: SubmittedJob) -> bool:
        """Whether it ran for its seconds and the grace, in which it imports, loads, and would have seen it itself."""
        if entry.started is None or entry.job.seconds is None:
            return False
        return time.monotonic() - entry.started > entry.job.seconds + self._grace

    def _conclude(self, entry: SubmittedJob, *, gone: bool, not_begun: bool) -> JobStatus | None:
        """How the job ended: by the result that it left, else by what Dask knows. None where that is not known yet."""
        result = read_result(Path(entry.job.output))
        if result is not None:
            # a training that did report after all calls every request to stop "asked"
            return JobStatus.of(replace(result, reason=entry.reason) if result.reason == "asked" else result)
        reports = tuple(entry.reports)
        if entry.cancelled is not None:
            return JobStatus(JobState.STOPPED, reports, message=entry.reason)
        status = entry.future.status
        if status == "pending" and not gone:
            return None
        if not gone and (error := self._error_of(entry)):
            return JobStatus(JobState.LOST, reports, message=f"its worker {_address(entry)} could not run it: {error}")
        if gone or status in ("cancelled", "lost", "error"):
            # the list may be older than the worker's death, and its next job would be lost with it
            self._workers.pop(entry.worker.id if entry.worker else "", None)
            self._listed = float("-inf")
            self._cluster.cancel(entry.future)  # else Dask runs it again should a worker return under the address
            message = f"its worker {_address(entry)} died, or the scheduler was started anew"
            return JobStatus(JobState.LOST, reports, message=message, not_begun=not_begun)
        raise UserError(
            f"The Dask worker {_address(entry)} wrote the result of {entry.job.name} to {entry.job.output}, which this "
            f"machine does not see: keep the store in a folder that both share under the same path."
        )

    def _error_of(self, entry: SubmittedJob) -> str | None:
        """What a live worker could not do: what the training raises is a result."""
        from distributed import KilledWorker

        error = entry.future.exception() if entry.future.status == "error" else None
        return None if error is None or isinstance(error, KilledWorker) else f"{type(error).__name__}: {error}"

    def _withdraw(self, entry: SubmittedJob) -> None:
        if entry.future is None:
            entry.final = JobStatus(JobState.STOPPED, message=entry.reason)
        else:
            self._cluster.cancel(entry.future)  # where it is not answered, the next request asks again
        entry.cancelled = time.monotonic()

    def _force(self, entry: SubmittedJob, worker: Worker) -> None:
        """Restart the worker of a job that ignores its stop. Where that cannot be, give up the job and the worker."""
        self._lose_behind(entry, f"its worker {worker.address} hung in {entry.job.name}")
        waited = time.monotonic() - (entry.cancelled or 0)
        if not entry.forced and worker.has_nanny:
            self._cluster.restart(worker)
        elif not entry.forced or waited > 2 * self._patience:
            message = f"{entry.reason}; it did not stop, and its worker {worker.address} could not be restarted"
            entry.final = JobStatus(JobState.STOPPED, tuple(entry.reports), message=message)
            _log.warning("The job %s was %s.", entry.job.name, message)
        entry.forced = True

    def _take_back(self) -> None:
        """Have what waits behind a job that takes long after all tried elsewhere."""
        for first, *others in by_worker(self._live).values():
            first.first_since = first.first_since or time.monotonic()
            if others and seconds_at(first) > TAKE_BACK_SECONDS:
                self._lose_behind(first, f"its worker {_address(first)} takes long for {first.job.name}")

    def _lose_behind(self, entry: SubmittedJob, message: str) -> None:
        """Jobs that wait for the end of this one are tried again elsewhere."""
        for other in behind(self._live):
            if other.worker == entry.worker:
                self._cluster.cancel(other.future)
                other.final = JobStatus(JobState.LOST, message=message, not_begun=True)

    def _deaf(self) -> set[str]:
        """Ids of the workers that still run a job which was given up."""
        given_up = {e.worker.id for e in self._unsettled.values() if e.worker and e.forced and e.final and not e.ended}
        return given_up & self._workers.keys()

    def _status(self, name: str, since: int) -> JobStatus:
        entry = self._jobs.get(name)
        if entry is None:
            return JobStatus(JobState.LOST, message="this compute target does not know it")
        if entry.final is not None:
            reports = _above(entry.final.reports, since)
            return replace(entry.final, reports=reports, node=_address(entry), began=entry.began)
        state = JobState.QUEUED if entry.started is None else JobState.RUNNING
        return JobStatus(state, _above(entry.reports, since), node=_address(entry), began=entry.began)


def _above(reports: Iterable[tuple[int, float]], since: int) -> tuple[tuple[int, float], ...]:
    return tuple((step, value) for step, value in reports if step > since)


def _address(entry: SubmittedJob) -> str | None:
    return entry.worker.address if entry.worker else None


if TYPE_CHECKING:
    from retuner.compute.target import ComputeTarget

    _: ComputeTarget = DaskTarget(Snapshot("", Path()), scratch=Path())
