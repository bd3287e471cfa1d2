"""Task of the report: make it, store it, link it."""

import logging

from retuner.stages.report import store_report
from retuner.stages.study import Study
from retuner.workbench import Workbench
from tasks.artifacts import link_report
from tasks.stage import stage

logger = logging.getLogger("retuner.tasks")


@stage(name="report", task_run_name="report", retries=0, on_failure=[])
def write_report(bench: Workbench, study: Study) -> str | None:
    """Make the report; returns where it lies. The retune is done by then, so that a failure here is a warning."""
    try:
        location, _ = store_report(study.name, bench.ledger, bench.store, bench.settings)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the model is what the flow run was for
        logger.warning("No report was made (%s); try again with: retune report %s", error, study.name)
        return None
    link_report(study.name, location)
    return location
