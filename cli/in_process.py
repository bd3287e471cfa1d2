"""A flow in this process: Prefect set up before it is imported, the flow run to its end, its document handed back."""

import logging
import os
from typing import Any

from cli.prefect_server import wait_until_settled
from retuner.errors import Interrupted

LOGGING = {
    "PREFECT_LOGGING_EXTRA_LOGGERS": "retuner",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # lines after a flow run are the terminal's alone
}
QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}


def configure_prefect(*, debug: bool) -> None:
    """Our own lines go to the terminal, everything to the API. Prefect reads its variables when it is imported."""
    os.environ.update(LOGGING if debug else LOGGING | QUIET)
    logging.getLogger("retuner").setLevel(logging.INFO)


def run_flow(flow: Any, values: dict[str, Any], url: str) -> dict[str, Any]:
    """The document that the flow returns. Raises what it raised, or Interrupted where it was cancelled."""
    from tasks.stage import started

    try:
        state = flow(**values, return_state=True)
    finally:
        # what is still under way to a server that then stops would be tried again for a minute
        for handler in logging.getLogger("prefect.flow_runs").handlers:
            handler.flush()
        if not wait_until_settled(url, started):
            logging.getLogger("retuner").warning("Prefect has not recorded the end of every task run.")
    if state.is_cancelled():
        raise Interrupted(state.message or "Stopped.")
    document: dict[str, Any] = state.result()
    return document
