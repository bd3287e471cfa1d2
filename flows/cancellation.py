"""Cancel in the UI, for a flow run that no worker watches over: it looks at its own state."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import deployment

LOOK_SECONDS = 3.0
logger = logging.getLogger("retuner.flows")


@contextmanager
def stop_when_cancelled(flow_run: str | None, stop: Event) -> Iterator[None]:
    """Set `stop` once the flow run is Cancelling or Cancelled; that of a deployment hears it from its worker."""
    if flow_run is None or deployment.id:
        yield
        return
    ended = Event()
    run = copy_context().run  # the address of the API may be a setting of this context alone
    Thread(target=run, args=(_watch, flow_run, stop, ended), name="cancellation", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _watch(flow_run: str, stop: Event, ended: Event) -> None:
    """Until it is cancelled or has ended; whatever goes wrong here, the flow run works on."""
    while not ended.wait(LOOK_SECONDS):
        try:
            if _is_cancelled(flow_run, ended):
                logger.info("The flow run was cancelled: it stops its jobs and ends.")
                stop.set()
                return
        except Exception as error:  # noqa: BLE001 - a server that is away must not end a search
            logger.debug("Whether the flow run was cancelled cannot be seen now: %s", error)


def _is_cancelled(flow_run: str, ended: Event) -> bool:
    """Look until it is, or has ended otherwise."""
    # with settings of its own it is not the client that the flow run itself works with
    with get_client(httpx_settings={}, sync_client=True) as client:
        while not ended.is_set():
            state = client.read_flow_run(UUID(flow_run)).state
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                return True
            ended.wait(LOOK_SECONDS)
    return False
