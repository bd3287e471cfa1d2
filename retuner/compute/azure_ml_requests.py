"""What is asked of Azure ML, decided without it: pure functions from a job and the parameters to plain data."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retuner.azure_ml.identity import workspace_of
from retuner.azure_ml.marks import tags_of
from retuner.compute.target import JobState
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute
from retuner_training.job import Job

METRIC = "objective"
"""Name of the metric that holds a job's reports, as rows of step and value."""
SCRIPT = "run_job.py"
SECRET_NAMES = "RETUNER_SECRET_NAMES"
"""Environment variable of a job: a JSON object from variable to the name of its secret in the key vault."""
START_ALLOWANCE = 1800
"""Seconds that the maximum duration of a run leaves for its start, its data and its result."""
LONGEST_SECONDS = 24 * 3600
"""Maximum duration of a run whose job has none."""
_WAITING = {"NotStarted", "Starting", "Queued", "Preparing", "Provisioning"}
_WORKING = {"Running", "Finalizing", "CancelRequested", "NotResponding", "PauseRequested", "Paused"}
_ATTEMPT = re.compile(r"-(?:final-)?t\d+-a\d+$")
_ENDED_EARLY = "jobfailed: "
"""What the error of a run holds whose script has ended by itself, and not well."""
_PREEMPTION = ("preempt", "nodewaslost", "node was lost", "node became unusable")


@dataclass(frozen=True)
class RunRequest:
    """One submission. The name is the run's id, which makes the submission idempotent."""

    name: str
    study: str
    arguments: tuple[str, ...]
    environment_variables: Mapping[str, str]
    tags: Mapping[str, str]
    max_seconds: int


@dataclass(frozen=True)
class RunReport:
    """What Azure ML tells of one run."""

    name: str
    status: str
    error: str = ""
    """Code and message; empty where there is none."""
    node: str | None = None
    created: datetime | None = None
    """When the service took it."""
    began: datetime | None = None
    """When it got its node."""


def run_request(job: Job, secret_names: Mapping[str, str]) -> RunRequest:
    """The submission of a job. The job travels as an argument: it holds no secret, and an adopter reads it back."""
    return RunRequest(
        name=job.name,
        study=job.study,
        arguments=("--job", json.dumps(job.to_dict(), sort_keys=True)),
        environment_variables={SECRET_NAMES: json.dumps(dict(secret_names))} if secret_names else {},
        tags={"retuner_study": job.study, "retuner_kind": job.kind},
        max_seconds=max_seconds(job.seconds),
    )


def max_seconds(seconds: float | None) -> int:
    """Maximum duration of a job's run, which bounds what it costs even with all of our side dead."""
    return LONGEST_SECONDS if seconds is None else math.ceil(seconds) + START_ALLOWANCE


def signed_seconds(seconds: float | None, wait_minutes: float) -> float:
    """How long the signatures of a job must last that may train for `seconds` after it has waited for a node."""
    return max_seconds(seconds) + 60 * wait_minutes


def job_of_arguments(arguments: Sequence[str]) -> Job | None:
    """The job that a submission was made of; None where the run is none of ours."""
    try:
        return Job(**json.loads(arguments[list(arguments).index("--job") + 1]))
    except (ValueError, TypeError, IndexError):
        return None


def cluster_request(parameters: AzureMlCompute) -> dict[str, Any]:
    """Arguments of AmlCompute.provisioning_configuration. SSH is closed, and the size never left to the default."""
    network = {
        "vnet_resourcegroup_name": parameters.vnet_resource_group or parameters.resource_group,
        "vnet_name": parameters.vnet,
        "subnet_name": parameters.subnet,
        "enable_node_public_ip": parameters.public_ip,
    }
    return {
        "vm_size": parameters.vm_size,
        "vm_priority": "lowpriority" if parameters.low_priority else "dedicated",
        "min_nodes": parameters.min_nodes,
        "max_nodes": parameters.max_nodes,
        "idle_seconds_before_scaledown": parameters.idle_seconds,
        "remote_login_port_public_access": "Disabled",
        "tags": tags_of(cluster_id(parameters)),
        **(network if parameters.vnet else {}),
    }


def cluster_id(parameters: AzureMlCompute) -> str:
    """The cluster's resource id."""
    return f"{workspace_of(parameters).scope}/computes/{parameters.cluster}"


def dedicated_parameters(parameters: AzureMlCompute) -> AzureMlCompute | None:
    """Those of the cluster that trials move to whose low-priority nodes are taken away; None where they never do."""
    if parameters.moves_after is None:
        return None
    other = {"cluster": parameters.dedicated_cluster, "low_priority": False, "min_nodes": 0}
    return parameters.model_copy(update=other)


def check_nodes(minimum: int, maximum: int, parameters: AzureMlCompute) -> None:
    """Raise UserError where the limits of the scale contradict each other."""
    if minimum > maximum:
        raise UserError(
            f"The cluster {parameters.cluster} cannot keep {minimum} nodes of at most {maximum}: set compute.min_nodes "
            f"to {maximum} or less."
        )


def secret_name(study: str, variable: str, process: str) -> str:
    """Name in the key vault, which takes 127 letters, digits and dashes; `process` tells two of a study apart."""
    return f"{secret_prefix(study)}{_in_key_vault(variable)}-{process}"


def secret_prefix(study: str) -> str:
    """What the names of the study's secrets begin with, and those of no other: its hash tells what dashes hide."""
    return f"{_in_key_vault(study)[:80]}-{hashlib.sha256(study.encode()).hexdigest()[:8]}-"


def _in_key_vault(text: str) -> str:
    return re.sub("[^0-9a-z-]", "-", text.lower())


def study_of(name: str) -> str:
    """The study that a job's name begins with: `faq-1a-1` of `faq-1a-1-t0007-a1` and of `faq-1a-1-final-t0007-a1`."""
    return _ATTEMPT.sub("", name)


def attempt_of(name: str) -> int:
    """The number of the attempt that a job's name ends with."""
    return int(name.rpartition("-a")[2])


def portal_link(run: str, scope: str) -> str:
    """The run's page in the portal; `scope` is the workspace's resource id."""
    return f"https://ml.azure.com/runs/{run}?wsid={scope}"


def is_preempted(report: RunReport) -> bool:
    """Whether its node was taken away: the service does not start it again."""
    return report.status != "Canceled" and any(word in report.error.lower() for word in _PREEMPTION)


def state_of(report: RunReport, *, cancelled: bool) -> tuple[JobState, str | None]:
    """What a run without a result is, and why. `cancelled`: we asked for its end."""
    if report.status in _WAITING:
        return JobState.QUEUED, None
    if report.status in _WORKING:
        return JobState.RUNNING, None
    if report.status == "Canceled":
        return JobState.STOPPED, "asked" if cancelled else _why_canceled(report.error)
    if is_preempted(report):
        return JobState.LOST, f"its node was preempted ({report.error})"
    if _ENDED_EARLY in report.error.lower():  # what the training raises is a result
        return JobState.LOST, f"its node could not do it: see the last lines of its log ({report.error})"
    if report.status == "Completed":
        return JobState.FAILED, "it completed without a result in storage: see the run's log"
    return JobState.FAILED, report.error or f"the run is {report.status}"


def _why_canceled(error: str) -> str:
    if "maximum duration" in error.lower() or "timeout" in error.lower():
        return "timeout"
    return f"cancelled outside of retuner ({error or 'no reason was given'})"


def is_waiting(status: str) -> bool:
    """Whether the run has not begun on a node."""
    return status in _WAITING


def has_begun(status: str) -> bool:
    """Whether the run was on a node: one that failed or is cancelled may never have been."""
    return status == "Completed" or (status in _WORKING and status != "CancelRequested")


def diagnosis(report: RunReport, minutes: float, cluster: str, cluster_errors: str) -> str:
    """Why a run may be in one state for so long, and what to look at."""
    seen = (
        f"the cluster {cluster} reports: {cluster_errors}"
        if cluster_errors
        else f"the cluster {cluster} reports no error"
    )
    hint = {
        "Queued": "check the quota of the VM size and locks on the resource group",
        "Running": "it should have ended by itself before: look at its log",
        "Preparing": "check the build of the environment's image",
    }.get(report.status, "check the workspace in the portal")
    return f"it was {report.status} for {minutes:.1f} minutes; {seen}; {hint}"
