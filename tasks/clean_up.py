"""Tasks of the clean-up: studies that nobody works on, and flow runs whose process is gone."""

import logging
from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowRunFilter,
    LogFilter,
    TaskRunFilter,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import LogSort
from prefect.states import Cancelled, Crashed
from prefect.utilities.urls import url_for

from retuner.presence import forget, gone, is_alive
from retuner.search.records import now
from retuner.settings import Settings
from retuner.stages import clean_up as stages
from retuner.stages.clean_up import LeftBehind
from tasks.blocks import load_azure_ml_identity
from tasks.stage import stage

logger = logging.getLogger("retuner.tasks")

CANCELLING_LIMIT = timedelta(minutes=10)
"""A worker kills a flow run half a minute after it was cancelled; of another host's this is all that is known here."""
LAST_LINES = 5
_REASON = "Its process is gone. What was completed is kept: a new start continues the study."


@stage(name="clean-up-studies", task_run_name="clean-up-studies")
def clean_up_studies(settings: Settings) -> list[LeftBehind]:
    """Stop what is left of studies that nobody works on."""
    found = stages.clean_up_studies(settings, load_azure_ml_identity)
    for left in found:
        logger.warning("%s", left.line)
    return found


@stage(name="end-dead-flow-runs", task_run_name="end-dead-flow-runs")
def end_dead_flow_runs(settings: Settings) -> dict[str, str]:
    """Give an end to flow runs that Prefect takes for alive; a few lines on each whose process is gone, by its id.

    Whoever has told them forgets them: they are found again until then.
    """
    lost = gone(settings)
    with get_client(sync_client=True) as client:
        hanging = [run for run in _unfinished(client) if str(run.id) in lost or _hangs(run, settings)]
        for run in hanging:
            _end(client, run)
            logger.warning("The flow run %s (%s) had no process any more and was ended.", run.name, run.id)
        known = _known(client, lost)
        crashed = [run for run in known if run.state and run.state.is_crashed()]  # a worker may have seen it before us
        lines = {str(run.id): _obituary(client, run) for run in [*hanging, *crashed]}
        _end_task_runs(client)
    waiting = {str(run.id) for run in known if not (run.state and run.state.is_final())}  # to be started again
    for flow_run in lost - set(lines) - waiting:
        forget(flow_run, settings)  # it ended as it should
    return lines


def _unfinished(client: SyncPrefectClient) -> list[FlowRun]:
    states = {"type": {"any_": [StateType.RUNNING, StateType.CANCELLING]}}
    return client.read_flow_runs(
        flow_filter=_retunes(), flow_run_filter=FlowRunFilter.model_validate({"state": states}), limit=200
    )


def _known(client: SyncPrefectClient, ids: set[str]) -> list[FlowRun]:
    if not ids:
        return []
    return client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": sorted(ids)}}))


def _obituary(client: SyncPrefectClient, run: FlowRun) -> str:
    """Which flow run it was, and its last log lines."""
    of_run = LogFilter.model_validate({"flow_run_id": {"any_": [run.id]}})
    last = client.read_logs(of_run, limit=LAST_LINES, sort=LogSort.TIMESTAMP_DESC)
    lines = [f"    {log.message.splitlines()[0]}" for log in reversed(last) if log.message]
    told = f"The flow run {run.name} had no process any more. {url_for(run) or ''}".strip()
    return "\n".join([told, *(["Its last log lines:", *lines] if lines else [])])


def _hangs(run: FlowRun, settings: Settings) -> bool:
    """Whether it was cancelled long ago and has no process here: one that has ends by itself."""
    state: Any = run.state
    too_long = state.is_cancelling() and now() - state.timestamp > CANCELLING_LIMIT
    return too_long and not is_alive(str(run.id), settings)


def _end(client: SyncPrefectClient, run: FlowRun) -> None:
    """End the flow run; a slot that it held is free again."""
    state: Any = run.state
    end = Cancelled(message=_REASON) if state.is_cancelling() else Crashed(message=_REASON)
    client.set_flow_run_state(run.id, end, force=True)


def _end_task_runs(client: SyncPrefectClient) -> None:
    """End the task runs of retunes that were ended from outside. The server may hear of some late: all count."""
    states = {"type": {"any_": [StateType.CRASHED, StateType.CANCELLED]}}
    left = client.read_task_runs(
        flow_filter=_retunes(),
        flow_run_filter=FlowRunFilter.model_validate({"state": states}),
        task_run_filter=TaskRunFilter.model_validate(
            {"state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING]}}}
        ),
        limit=200,
    )
    for task_run in left:
        client.set_task_run_state(task_run.id, Crashed(message=_REASON), force=True)


def _retunes() -> FlowFilter:
    return FlowFilter.model_validate({"name": {"any_": ["retune"]}})
