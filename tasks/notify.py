"""What people are told by the flow run itself; failures of deployments are told by the Prefect server (automations)."""

import socket

from prefect import Flow
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run
from prefect.states import State
from prefect.utilities.urls import url_for

from retuner.parameters import Notify
from retuner.registry.registry import ModelVersion
from retuner.stages.evaluate import Evaluation
from tasks.notification_blocks import send


def tell_of_champion(notify: Notify, version: ModelVersion, evaluation: Evaluation) -> None:
    """Say that a new model version became the champion, and why."""
    if "champion" in notify.events:
        gains = ", ".join(
            f"{name} {value:.4f} ± {evaluation.standard_errors[name]:.4f}" for name, value in evaluation.metrics.items()
        )
        body = [
            evaluation.reason,
            f"On the test set: {gains}.",
            f"Trained by {evaluation.job}.",
            url_for("flow-run", obj_id=flow_run.id) or "",
        ]
        send(notify.blocks, f"retuner: {version.name} version {version.version} is the champion", "\n".join(body))


def tell_of_failure(failed: "Flow[..., object]", run: FlowRun, state: "State[object]") -> None:
    """A hook for flow runs without a deployment: nobody but their own process tells of their failure."""
    if run.deployment_id is not None:
        return
    notify = Notify.model_validate(_given(run.parameters.get("notify")))
    if "failure" in notify.events:
        body = [f"On {socket.gethostname()}: {state.message}", url_for(run) or ""]
        send(notify.blocks, f"retuner: {run.name} failed", "\n".join(body))


def _given(notify: object) -> object:
    """The group as the flow run was given it: a model in the run's own process, plain values from the API."""
    return notify.model_dump() if isinstance(notify, Notify) else notify or {}
