"""The flow `clean-up`: finds what killed flow runs left behind, every few minutes, and tells."""

from typing import Any

from prefect import flow
from prefect.states import Completed, Failed, State

from retuner.logs import prepare_logs
from retuner.presence import forget
from retuner.settings import read_settings
from retuner_training.redaction import redact
from tasks.clean_up import clean_up_studies, end_dead_flow_runs
from tasks.stage import tell_flow_failure


@flow(name="clean-up", flow_run_name="clean-up", persist_result=False, on_failure=[tell_flow_failure])
def clean_up() -> Any:
    """Stop jobs that nobody waits for, give back their nodes, end flow runs whose process is gone."""
    settings = read_settings()
    prepare_logs(settings.log)
    # jobs and nodes first: they cost, whatever becomes of the book-keeping; and neither keeps the other from its work
    cleaned = clean_up_studies(settings, return_state=True)
    ended = end_dead_flow_runs(settings, return_state=True)
    studies = [left.line for left in cleaned.result()] if cleaned.is_completed() else []
    flow_runs = ended.result() if ended.is_completed() else {}
    lines = [*flow_runs.values(), *studies]
    for flow_run in flow_runs:
        forget(flow_run, settings)  # the lines below tell of them, whatever else went wrong
    if faults := [_reason(state) for state in (cleaned, ended) if not state.is_completed()]:
        return Failed(message="\n".join([*faults, *lines]))
    if not lines:
        return Completed(message="Nothing was left behind.")
    return Completed(name="CleanedUp", message="\n".join(lines))


def _reason(state: State[Any]) -> str:
    """What went wrong in a task, in one line."""
    error = state.result(raise_on_failure=False)
    if not isinstance(error, BaseException):
        return str(state.message)
    return f"{type(error).__name__}: {redact(str(error)).partition(chr(10))[0]}"
