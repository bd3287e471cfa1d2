"""Trials on Azure ML: one run for each job on an AmlCompute cluster, its result taken from storage alone."""

import logging
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from retuner.azure_ml.calls import is_finished
from retuner.azure_ml.region import Region
from retuner.compute import azure_ml_node
from retuner.compute.azure_ml_preflight import find_size_if_seen
from retuner.compute.azure_ml_requests import (
    SCRIPT,
    RunReport,
    attempt_of,
    check_nodes,
    dedicated_parameters,
    diagnosis,
    has_begun,
    is_preempted,
    is_waiting,
    max_seconds,
    portal_link,
    run_request,
    signed_seconds,
    state_of,
    study_of,
)
from retuner.compute.azure_ml_secrets import StudySecrets
from retuner.compute.azure_ml_service import AzureMlService
from retuner.compute.snapshot import Snapshot
from retuner.compute.target import TAIL_LINES, JobState, JobStatus, StudyEnd
from retuner.errors import Interrupted, RetryableError, RetunerError
from retuner.parameters import AzureMlCompute
from retuner_training.job import Job, JobResult
from retuner_training.transfer import READ_SAS, UPLOAD_SAS, fetch_result

READ_SECONDS = 300.0
"""How long a signature must still be good with which a result is read here."""
UNSEEN_SECONDS = 60.0
"""A run that was just submitted may be missing in the run history for so long."""
LATE_SECONDS = 2.0
"""A run that ended without a result is read once more after so long: its last reports may become readable late."""
_log = logging.getLogger(__name__)


@dataclass
class _Known:
    """What is known of one job."""

    job: Job
    since: float
    """Time (monotonic) of the submission or adoption."""
    status: JobStatus = field(default_factory=lambda: JobStatus(JobState.QUEUED))
    entered: tuple[str, float] = ("", 0.0)
    """The run's status at the last look, and the time (monotonic) since when."""
    turn: float = 0.0
    """Time (monotonic) at which it last plausibly waited behind others of ours."""
    created: datetime | None = None
    """When the service took its run."""
    begun: bool = False
    """Whether its run was seen at work on a node, or completed."""
    ended: float | None = None
    """Time (monotonic) at which its run was first seen ended without a result."""
    cancelled: bool = False
    reports: list[tuple[int, float]] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        return self.status.state.is_finished()


class AzureMlTarget:
    """Submits under the job's name, so that a second submit finds the first, and adopts what others submitted.

    All states and reports are read in two batched queries, at most every `look_every` seconds.
    """

    def __init__(
        self,
        parameters: AzureMlCompute,
        snapshot: Snapshot,
        *,
        scratch: Path,
        node_secrets: Callable[[float], dict[str, str]],
        service: AzureMlService | None = None,
        look_every: float = 5.0,
    ) -> None:
        self.news = threading.Event()  # never set: the service has to be asked
        self.ahead = 0  # it hands out its own queue
        self._parameters = parameters
        self._snapshot = snapshot
        self._scratch = scratch
        self._node_secrets = node_secrets
        self._service = service or AzureMlService(parameters, requirements=lambda: snapshot.requirements)
        self._secrets = StudySecrets(self._service)
        self._look_every = look_every
        self._longest_wait = 60 * parameters.wait_minutes
        self._dedicated: AzureMlService | None = None
        self._maximum = 0
        self._cores: int | None = None
        self._code: Path | None = None
        self._jobs: dict[str, _Known] = {}
        self._earlier: dict[str, set[str]] = {}
        self._studies: set[str] = set()
        """Studies that were worked on, and whose parent runs and secrets are therefore ended here."""
        self._looked = float("-inf")

    @property
    def nodes(self) -> int:
        """Nodes that the cluster may grow to: they start when jobs wait for them."""
        return self._maximum

    def kept_nodes(self) -> int:
        """The cluster's minimum; 0 where there is no cluster yet."""
        cluster = self._service.cluster()
        return 0 if cluster is None else cluster.kept

    def scale(self, minimum: int, maximum: int) -> None:
        """Give the cluster its limits. With 0 nodes at most, its minimum and its idle seconds are taken back."""
        if maximum == 0:
            self._service.keep(minimum)
            if self._dedicated is not None:
                self._dedicated.keep(None)
            self._maximum = 0
            return
        check_nodes(self._parameters.min_nodes, self._parameters.max_nodes, self._parameters)
        most = min(maximum, self._parameters.max_nodes)
        least = min(max(minimum, self._parameters.min_nodes), most)
        if self._cores is None:
            self._cores = self._parameters.cores or self._cores_of_size()
        self._service.scale(least, most)
        self._service.prepare_environment()
        self._maximum = most

    def submit(self, job: Job) -> None:
        """Start the job, unless its name is known or its result is there already."""
        if job.name in self._jobs:
            return
        known = _Known(replace(job, threads=self._cores or job.threads), time.monotonic())
        earlier = self._result(job)
        if earlier is not None and earlier.outcome == "completed":
            known.status = JobStatus.of(earlier)
        else:
            if job.name not in self._open_study(job.study):
                names = self._secrets.put(job.study, self._signatures(job))
                self._service_for(job.name).submit(run_request(known.job, names), self._code_folder())
        self._jobs[job.name] = known

    def poll(self, jobs: Mapping[str, int]) -> dict[str, JobStatus]:
        """Two queries for all jobs of a study; between two looks the answer is that of the last."""
        self._adopt(name for name in jobs if name not in self._jobs)
        if time.monotonic() - self._looked >= self._pause():
            self._look()
            self._looked = time.monotonic()
        return {name: self._status(name, since) for name, since in jobs.items()}

    def find(self, study: str) -> list[str]:
        """Unfinished jobs of the study, whoever submitted them."""
        self._studies.add(study)
        runs = self._service.all_runs(study)
        return sorted(name for name, run in runs.items() if name != study and not is_finished(run.status))

    def cancel(self, names: Iterable[str]) -> None:
        """Cancel the runs. A node is stopped hard: what it reported stays, a result is not written.

        One that cannot be cancelled does not keep the others from it; the first such error is raised in the end.
        """
        faults: list[RetunerError] = []
        for name in names:
            known = self._jobs.get(name)
            if known is not None and (known.is_finished or known.cancelled):
                continue
            try:
                self._service.cancel(study_of(name) if known is None else known.job.study, name)
            except RetunerError as error:
                faults.append(error)
            else:
                if known is not None:
                    known.cancelled = True
        if faults:
            raise faults[0]

    def log_tail(self, name: str) -> str:
        """The last lines of the run's log."""
        known = self._jobs.get(name)
        if known is None:
            return ""
        result = known.status.result
        written = self._service.log(known.job.study, name)
        if result is not None and result.traceback and result.traceback.strip() not in written:
            written = f"{written}\n{result.traceback}"
        return "\n".join(written.strip().splitlines()[-TAIL_LINES:])

    def link(self, name: str) -> str:
        """The page of the run, or of the study's parent run, in the portal."""
        return portal_link(name, self._service.workspace.name.scope)

    def close(self, end: StudyEnd = "stopped") -> None:
        """Cancel this process's jobs, end the parent runs as `end` says, delete the studies' secrets."""
        try:
            self.cancel([name for name, known in self._jobs.items() if not known.is_finished])
        finally:
            for study in sorted(self._studies):
                self._service.close_study(study, end)
                self._secrets.clear(study)

    def _cores_of_size(self) -> int:
        size = find_size_if_seen(Region(self._service.workspace), self._parameters)
        if size is None:
            _log.warning("A trial uses one core of its node: set compute.cores to as many as the nodes have.")
        return 1 if size is None else size.cores

    def _adopt(self, names: Iterable[str]) -> None:
        """Learn of jobs that another process submitted, from their own definitions."""
        by_study: dict[str, list[str]] = {}
        for name in names:
            by_study.setdefault(study_of(name), []).append(name)
        for study, wanted in by_study.items():
            for name in self._service.runs(study, wanted):
                job = self._service.job(study, name)
                if job is not None:
                    self._jobs[name] = _Known(job, time.monotonic())
                    self._looked = float("-inf")

    def _pause(self) -> float:
        """Seconds between two looks."""
        is_late = any(known.ended is not None and not known.is_finished for known in self._jobs.values())
        return min(self._look_every, LATE_SECONDS) if is_late else self._look_every

    def _look(self) -> None:
        """Bring every unfinished job up to date."""
        by_study: dict[str, list[str]] = {}
        for name, known in self._jobs.items():
            if not known.is_finished:
                by_study.setdefault(known.job.study, []).append(name)
        for study, names in by_study.items():
            runs = self._service.runs(study, names)
            begun = [name for name in names if name in runs and not is_waiting(runs[name].status)]
            reports = self._service.reports(study, begun) if begun else {}
            for name in names:
                known = self._jobs[name]
                known.reports = reports.get(name) or known.reports
                report = runs.get(name)
                known.status = replace(self._new_status(known, report), began=report.began if report else None)

    def _new_status(self, known: _Known, report: RunReport | None) -> JobStatus:
        reports = tuple(known.reports)
        if report is None:
            if time.monotonic() - known.since < UNSEEN_SECONDS:
                return JobStatus(JobState.QUEUED)
            return JobStatus(JobState.LOST, reports, message="Azure ML does not know its run any more")
        known.created, known.begun = report.created, known.begun or has_begun(report.status)
        state, message = state_of(report, cancelled=known.cancelled)
        if not state.is_finished():
            return self._check_limits(known, report) or JobStatus(state, reports)
        result = self._result(known.job)
        if result is not None and not (known.cancelled and result.outcome == "failed"):
            return JobStatus.of(result)
        if known.ended is None:
            known.ended = time.monotonic()
        if time.monotonic() - known.ended < LATE_SECONDS:
            return JobStatus(known.status.state, reports)
        return JobStatus(state, reports, message=message, preempted=is_preempted(report))

    def _check_limits(self, known: _Known, report: RunReport) -> JobStatus | None:
        """The end of a run that has been in one state for too long, with its diagnosis; the run is cancelled."""
        present = time.monotonic()
        if known.entered[0] != report.status:
            known.entered = (report.status, present)
        if report.status == "Queued" and self._waits_its_turn(known):
            known.turn = present
        lasted, waits = present - known.entered[1], is_waiting(report.status)
        limit = self._longest_wait if waits else max_seconds(known.job.seconds) + UNSEEN_SECONDS
        if min(lasted, present - known.turn) < limit:
            return None
        errors = self._service.cluster_errors()
        self._service.cancel(known.job.study, known.job.name)
        message = diagnosis(report, lasted / 60, self._parameters.cluster, errors)
        if waits:
            return JobStatus(JobState.LOST, tuple(known.reports), message=message)
        return JobStatus(JobState.STOPPED, tuple(known.reports), message=f"timeout: {message}")

    def _waits_its_turn(self, known: _Known) -> bool:
        """Whether others of its cluster are at work, and none that was submitted later has overtaken it."""
        moved = self._is_moved(known.job.name)
        others = [one for one in self._jobs.values() if one is not known and self._is_moved(one.job.name) == moved]
        created = known.created
        # one that has begun and is Queued again, as its node was taken away, was not overtaken
        overtaken = not known.begun and any(
            one.begun and created is not None and one.created is not None and one.created > created for one in others
        )
        return not overtaken and any(one.status.state is JobState.RUNNING for one in others)

    def _is_moved(self, name: str) -> bool:
        """Whether the job goes to dedicated nodes, as low-priority ones were taken away too often."""
        parameters = self._parameters
        return dedicated_parameters(parameters) is not None and attempt_of(name) > parameters.dedicated_after

    def _service_for(self, name: str) -> AzureMlService:
        """The cluster of a new job."""
        parameters = self._parameters
        other = dedicated_parameters(parameters)
        if other is None or not self._is_moved(name):
            return self._service
        if self._dedicated is None:
            dedicated = self._service.with_parameters(other)
            try:
                dedicated.scale(0, parameters.max_nodes)
            except Interrupted as stopped:  # whoever submits hears the stop too, and first puts the trial aside
                raise RetryableError(str(stopped)) from None
            self._dedicated = dedicated
        return self._dedicated

    def _status(self, name: str, since: int) -> JobStatus:
        known = self._jobs.get(name)
        if known is None:
            return JobStatus(JobState.LOST, message="Azure ML does not know its run")
        reports = tuple((step, value) for step, value in known.status.reports if step > since)
        return replace(known.status, reports=reports)

    def _result(self, job: Job) -> JobResult | None:
        def sign(use: Literal["read", "upload"]) -> str:
            return self._node_secrets(READ_SECONDS)[READ_SAS if use == "read" else UPLOAD_SAS]

        try:
            return fetch_result(job.output, sign)
        except OSError as error:
            raise RetryableError(f"The result of {job.name} cannot be read: {error}") from None

    def _open_study(self, study: str) -> set[str]:
        """Names of the runs that earlier processes left: they are adopted, not submitted again."""
        self._studies.add(study)
        if study not in self._earlier:
            present = self._service.all_runs(study)
            if study not in present:
                self._service.open_study(study)
            elif is_finished(present[study].status):
                self._service.reopen_study(study)
            self._earlier[study] = set(present)
        return self._earlier[study]

    def _signatures(self, job: Job) -> dict[str, str]:
        """Signatures by variable that outlive the job."""
        return self._node_secrets(signed_seconds(job.seconds, self._parameters.wait_minutes))

    def _code_folder(self) -> Path:
        """The snapshot unpacked, with the script that starts a job beside it."""
        if self._code is None:
            folder = self._scratch / f"azure-ml-{self._snapshot.hash}"
            shutil.rmtree(folder, ignore_errors=True)
            with zipfile.ZipFile(self._snapshot.path) as archive:
                archive.extractall(folder)
            shutil.copyfile(azure_ml_node.__file__, folder / SCRIPT)
            self._code = folder
        return self._code


if TYPE_CHECKING:
    from retuner.compute.target import ComputeTarget

    def _conforms(target: AzureMlTarget) -> ComputeTarget:
        return target
