"""Azure ML as the compute target uses it: the only module that calls azureml-core. No type of it leaves."""

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from packaging.requirements import Requirement

from retuner.azure_ml.calls import Pace, cancel_run, is_finished, working_directory_kept
from retuner.azure_ml.errors import status_of
from retuner.azure_ml.identity import workspace_of
from retuner.azure_ml.workspace import CALL_SECONDS, Workspace
from retuner.compute.azure_ml_cluster import ClusterReport, check_cluster, report_of
from retuner.compute.azure_ml_environment import node_environment
from retuner.compute.azure_ml_requests import METRIC, SCRIPT, RunReport, RunRequest, cluster_request, job_of_arguments
from retuner.compute.target import GOES_ON, StudyEnd
from retuner.errors import Interrupted, RetryableError, UserError
from retuner.parameters import AzureMlCompute
from retuner_training.job import Job

Answer = TypeVar("Answer")
READS_PER_SECOND = 10.0
SUBMISSIONS_PER_SECOND = 5.0
BATCH = 50
"""Runs in one query: the SDK's own choice, as longer filters are refused."""
PROVISION_SECONDS = 900.0
BUILD_SECONDS = 3600.0
LOOK_SECONDS = 1.0
ADVICE = {
    403: (
        "give the identity the role 'AzureML Data Scientist' on the workspace, and 'AzureML Compute Operator' where it "
        "is to make or scale clusters"
    ),
    404: "check compute.subscription_id, compute.resource_group, compute.workspace and compute.cluster",
}
"""The next step by HTTP status."""
_log = logging.getLogger(__name__)


class AzureMlService:
    """One workspace. Methods raise RetryableError or UserError; an expired token is renewed once a call."""

    def __init__(
        self,
        parameters: AzureMlCompute,
        sign_in: Callable[[], Any] | None = None,
        *,
        requirements: Callable[[], Sequence[Requirement]] = tuple,
        call_seconds: float = CALL_SECONDS,
        stop: threading.Event | None = None,
    ) -> None:
        """`requirements` gives what the nodes need beside our own libraries, once they are to be prepared.

        `stop` ends the waiting for a cluster, an image and a service that wants to be left alone.
        """
        self._parameters = parameters
        self._stop = stop or threading.Event()
        self.workspace = Workspace(
            workspace_of(parameters), advice=ADVICE, sign_in=sign_in, call_seconds=call_seconds, stop=self._stop
        )
        self._ask = self.workspace.ask
        self._requirements = requirements
        self._idle_before: dict[str, int] = {}
        """Idle seconds that clusters had before this process changed them."""
        self._reads = Pace(READS_PER_SECOND)
        self._submissions = Pace(SUBMISSIONS_PER_SECOND)

    def with_parameters(self, parameters: AzureMlCompute) -> "AzureMlService":
        """The same workspace, signed in and paced together, with another cluster."""
        other = copy.copy(self)
        other._parameters = parameters
        return other

    def scale(self, minimum: int, maximum: int) -> None:
        """Create the cluster, or give the one of that name these limits. Returns once it is provisioned.

        Raises Interrupted where a stop is heard meanwhile.
        """
        what = f"The cluster {self._parameters.cluster} cannot be scaled"
        self._ask(what, lambda: self._scale(minimum, maximum))
        deadline = time.monotonic() + PROVISION_SECONDS
        while (state := self._ask(what, self._provisioning_state)) != "Succeeded":
            if time.monotonic() > deadline:
                raise RetryableError(f"{what}: it is still {state} after {PROVISION_SECONDS:.0f} s.")
            self._pause(f"the cluster {self._parameters.cluster} was scaled")

    def cluster(self) -> ClusterReport | None:
        """The cluster as it is; None where there is none. Raises UserError where it is not the one that is meant."""

        def look() -> ClusterReport | None:
            cluster = self._cluster()
            if cluster is None:
                return None
            report = report_of(cluster)
            check_cluster(report, self._parameters)
            return report

        return self._read(f"The cluster {self._parameters.cluster} cannot be read", look)

    def keep(self, nodes: int | None) -> None:
        """Lower the cluster's minimum to `nodes`, and give it back the idle seconds that it had, where they were less.

        Neither is ever raised: another study may have lowered it since, and the nodes that are up now would idle for
        longer than is counted. None leaves the minimum alone.
        """

        def give_back() -> None:
            cluster = self._cluster()
            if cluster is None:
                return
            settings, before = cluster.scale_settings, self._idle_before.get(cluster.name)
            change = {}
            if nodes is not None and settings.minimum_node_count > nodes:
                change["min_nodes"] = nodes
            if before is not None and before < settings.idle_seconds_before_scaledown == self._parameters.idle_seconds:
                change["idle_seconds_before_scaledown"] = before
            if change:
                cluster.update(**change)
            self._idle_before.pop(cluster.name, None)

        self._ask(f"The cluster {self._parameters.cluster} cannot be scaled back", give_back)

    def prepare_environment(self) -> None:
        """Register the nodes' environment and build its image, once, before any job waits for it.

        Raises Interrupted where a stop is heard meanwhile; the build goes on.
        """
        what = "The nodes' environment cannot be made"
        deadline = time.monotonic() + BUILD_SECONDS
        build = self._ask(what, self._start_build)
        while build is not None and (status := self._ask(what, lambda: str(build.status))) != "Succeeded":
            if status not in ("Running", "Queued", "GettingOrProvisioningACR"):
                raise UserError(
                    f"{what}: its image could not be built ({status}); see the log under Environments in the "
                    f"workspace's portal, or name an image that exists in compute.image."
                )
            if time.monotonic() > deadline:
                raise RetryableError(f"{what}: its image is still {status} after {BUILD_SECONDS:.0f} s.")
            self._pause("the image of the nodes was built")

    def cluster_errors(self) -> str:
        """What the cluster says is wrong with it, such as a quota; empty where nothing is."""
        status = self._ask("The cluster's state cannot be read", lambda: self._cluster().get_status())
        return str(status.errors) if status is not None and status.errors else ""

    def open_study(self, study: str) -> None:
        """Make the study's parent run."""

        def make() -> None:
            self._experiment(study).start_logging(run_id=study, snapshot_directory=None, outputs=False)

        self._ask(f"The parent run of {study} cannot be made", make)

    def reopen_study(self, study: str) -> None:
        """Let the ended parent run of a resumed study go on. Where that is refused, its jobs run all the same."""
        try:
            self._ask(f"The parent run of {study} cannot go on", lambda: self._run(study, study).start())
        except UserError as error:
            _log.warning("%s It keeps the end that it had.", error)

    def close_study(self, study: str, end: StudyEnd) -> None:
        """End the parent run as the study ended; one that was never made is no fault."""

        def close() -> None:
            from azureml.core import Run

            try:
                run = Run(self._experiment(study), study)
            except Exception as error:
                if status_of(error) != 404:
                    raise
                return
            if is_finished(run.get_status()):
                return
            if end == "completed":
                run.complete()
            elif end == "failed":
                run.fail(f"The study {study} failed: retune status tells why.")
            else:
                run.cancel()

        self._ask(f"The parent run of {study} cannot be ended", close)

    def submit(self, request: RunRequest, code: Path) -> None:
        """Start a run of the code; the same name again is the same run."""
        self._submissions.wait()
        with working_directory_kept():
            self._ask(f"The job {request.name} cannot be submitted", lambda: self._submit(request, code))

    def runs(self, study: str, names: Sequence[str]) -> dict[str, RunReport]:
        """What is known of the named runs; those that nobody knows are missing."""

        def reader(batch: list[str]) -> Callable[[], list[Any]]:
            return lambda: list(self._client(study).get_runs_by_run_ids(batch))

        what = f"The runs of {study} cannot be read"
        found = [run for batch in _batches(names) for run in self._read(what, reader(batch))]
        return {run.run_id: _report(run) for run in found}

    def all_runs(self, study: str) -> dict[str, RunReport]:
        """Every run of the study, its parent run among them."""
        runs = self._read(f"The runs of {study} cannot be listed", lambda: list(self._client(study).get_runs()))
        return {run.run_id: _report(run) for run in runs}

    def reports(self, study: str, names: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
        """Steps and values that the runs have logged, in order of the steps."""

        def reader(batch: list[str]) -> Callable[[], list[Any]]:
            return lambda: list(self._client(study).get_metrics_by_run_ids(batch, name=METRIC))

        found: dict[str, dict[int, float]] = {name: {} for name in names}
        for batch in _batches(names):
            for metric in self._read(f"The metrics of {study} cannot be read", reader(batch)):
                # `and` binds tighter than `or` in the SDK's filter, so that it lets other metrics through
                if metric.name == METRIC and metric.run_id in found:
                    for cell in metric.cells:
                        found[metric.run_id][int(cell["step"])] = float(cell["value"])
        return {name: sorted(rows.items()) for name, rows in found.items()}

    def job(self, study: str, name: str) -> Job | None:
        """The job that a run was submitted for, read back from its definition; None where the run is none of ours."""
        details = self._read(f"The run {name} cannot be read", lambda: self._run(study, name).get_details())
        return job_of_arguments((details.get("runDefinition") or {}).get("arguments") or [])

    def cancel(self, study: str, name: str) -> None:
        """Ask a run to end; one that has ended or is unknown is no fault."""

        def stop() -> None:
            try:
                cancel_run(self._run(study, name))
            except Exception as error:
                if status_of(error) != 404:
                    raise

        self._read(f"The job {name} cannot be cancelled", stop)

    def log(self, study: str, name: str) -> str:
        """What the run has written so far."""

        def read() -> str:
            logs = self._run(study, name).get_details_with_logs().get("logFiles") or {}
            return str(next((text for path, text in logs.items() if path.endswith("std_log.txt")), ""))

        return self._read(f"The log of {name} cannot be read", read)

    def set_secret(self, name: str, value: str) -> None:
        vault = "The workspace's key vault cannot be written"
        self._ask(vault, lambda: self.workspace.open().get_default_keyvault().set_secret(name, value))

    def secret_names(self, prefix: str) -> list[str]:
        """Names in the key vault that begin so; names of deleted secrets are not among them."""

        def find() -> list[str]:
            listed = self.workspace.open().get_default_keyvault().list_secrets()
            return sorted(one["name"] for one in listed if one["name"].lower().startswith(prefix))

        return self._ask("The workspace's key vault cannot be listed", find)

    def delete_secret(self, name: str) -> None:
        """Delete a secret; one that is not there is no fault."""

        def delete() -> None:
            try:
                self.workspace.open().get_default_keyvault().delete_secret(name)
            except Exception as error:
                if status_of(error) != 404:
                    raise

        self._ask("The workspace's key vault cannot be written", delete)

    def _pause(self, what: str) -> None:
        """Until the next look."""
        if self._stop.wait(LOOK_SECONDS):
            raise Interrupted(f"Stopped while {what}; {GOES_ON}.")

    def _read(self, what: str, call: Callable[[], Answer]) -> Answer:
        self._reads.wait()
        return self._ask(what, call)

    def _experiment(self, study: str) -> Any:
        def make(workspace: Any) -> Any:
            from azureml.core import Experiment

            return Experiment(workspace, study)

        return self.workspace.keep(f"experiment {study}", make)

    def _client(self, study: str) -> Any:
        experiment = self._experiment(study)
        from azureml._restclient.experiment_client import ExperimentClient

        return ExperimentClient(experiment.workspace.service_context, study)

    def _run(self, study: str, name: str) -> Any:
        experiment = self._experiment(study)
        from azureml.core import Run

        return Run(experiment, name)

    def _cluster(self) -> Any:
        """The cluster, None where there is none. Raises UserError where the name belongs to something else."""
        workspace, name = self.workspace.open(), self._parameters.cluster
        from azureml.core.compute import AmlCompute

        found = workspace.compute_targets.get(name)
        if found is not None and not isinstance(found, AmlCompute):
            kind = type(found).__name__
            raise UserError(
                f"{name} is a compute target of kind {kind}, no AmlCompute cluster: name another in compute.cluster."
            )
        return found

    def _scale(self, minimum: int, maximum: int) -> None:
        cluster = self._cluster()
        if cluster is None:
            from azureml.core.compute import AmlCompute, ComputeTarget

            asked = {**cluster_request(self._parameters), "min_nodes": minimum, "max_nodes": maximum}
            configuration = AmlCompute.provisioning_configuration(**asked)
            ComputeTarget.create(self.workspace.open(), self._parameters.cluster, configuration)
            return
        check_cluster(report_of(cluster), self._parameters)
        settings = cluster.scale_settings
        # others may use the cluster too
        minimum = max(minimum, settings.minimum_node_count)
        maximum = max(maximum, settings.maximum_node_count)
        idle = self._parameters.idle_seconds
        present = (settings.minimum_node_count, settings.maximum_node_count, settings.idle_seconds_before_scaledown)
        if settings.idle_seconds_before_scaledown != idle:
            self._idle_before.setdefault(cluster.name, settings.idle_seconds_before_scaledown)
        if present != (minimum, maximum, idle):
            cluster.update(min_nodes=minimum, max_nodes=maximum, idle_seconds_before_scaledown=idle)

    def _provisioning_state(self) -> str:
        """Raises UserError where the cluster could not be provisioned."""
        cluster = self._cluster()
        if cluster is None:
            return "not there"
        if cluster.provisioning_state == "Failed":
            raise UserError(
                f"The cluster {cluster.name} could not be provisioned: {cluster.provisioning_errors}. Delete it, and "
                f"ask for more quota or set compute.min_nodes or compute.vm_size lower."
            )
        return str(cluster.provisioning_state)

    def _submit(self, request: RunRequest, code: Path) -> None:
        experiment = self._experiment(request.study)
        from azureml.core import ScriptRunConfig

        config = ScriptRunConfig(
            str(code.absolute()),
            script=SCRIPT,
            arguments=list(request.arguments),
            compute_target=self._parameters.cluster,
            environment=self._node_environment(),
            max_run_duration_seconds=request.max_seconds,
        )
        config.run_config.environment_variables = dict(request.environment_variables)
        try:
            experiment.submit(config, tags=dict(request.tags), run_id=request.name, _parent_run_id=request.study)
        except Exception as error:
            if status_of(error) == 404 and f"Run {request.name} " in str(error):
                raise RetryableError(f"The run {request.name} was accepted, and then nobody knew it.") from None
            raise

    def _start_build(self) -> Any:
        """The build that was started; None where the image is there."""
        environment = self._node_environment()
        if self._parameters.image:
            return None
        is_there = environment.get_image_details(self.workspace.open())["imageExistsInRegistry"]
        return None if is_there else environment.build(self.workspace.open())

    def _node_environment(self) -> Any:
        def make(workspace: Any) -> Any:
            wanted = node_environment(self._parameters.image, requirements=self._requirements())
            from azureml.core import Environment

            environment = Environment(wanted.name)
            environment.python.user_managed_dependencies = True
            environment.docker.base_image = wanted.image
            environment.docker.base_dockerfile = wanted.dockerfile
            return environment.register(workspace)

        return self.workspace.keep("environment", make)


def _report(run: Any) -> RunReport:
    inner = getattr(run.error, "error", None)
    error = f"{inner.code}: {inner.message}" if inner is not None else ""
    return RunReport(run.run_id, run.status, error, created=run.created_utc, began=run.start_time_utc)


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(names), BATCH):
        yield list(names[first : first + BATCH])
