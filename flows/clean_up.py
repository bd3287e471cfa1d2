"""The flow `clean-up`: finds what killed flow runs left behind, every few minutes, and tells."""

from typing import Any

from prefect import flow
from prefect.states import Completed

from retuner.logs import prepare_logs
from retuner.presence import forget
from retuner.settings import read_settings
from tasks.clean_up import clean_up_studies, end_dead_flow_runs
from tasks.stage import tell_flow_failure


@flow(name="clean-up", flow_run_name="clean-up", persist_result=False, on_failure=[tell_flow_failure])
def clean_up() -> Any:
    """Stop jobs that nobody waits for, give back their nodes, end flow runs whose process is gone."""
    settings = read_settings()
    prepare_logs(settings.log)
    flow_runs = end_dead_flow_runs(settings)
    studies = clean_up_studies(settings)
    for flow_run in flow_runs:
        forget(flow_run, settings)  # only now: had the task before failed, nobody would have been told
    if not flow_runs and not studies:
        return Completed(message="Nothing was left behind.")
    return Completed(name="CleanedUp", message="\n".join([*flow_runs.values(), *(left.line for left in studies)]))
