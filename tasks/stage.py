"""What all tasks have in common: retries through the error tree, no caching, a word when one fails."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from prefect import Flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.runtime import task_run
from prefect.states import State
from prefect.tasks import Task, exponential_backoff

from retuner.errors import is_retryable

logger = logging.getLogger("retuner.tasks")
# A record's `in_short` is what a terminal shows of it: a command ends with the reason, which is said once there.

started: set[str] = set()
"""Task runs that this process has started: the server has recorded the flow run once it knows the end of them all."""


def stage(**options: Any) -> Callable[[Callable[..., Any]], Task[..., Any]]:
    """`@task` for a step of the flow. Outputs are found again by content and ledger, so Prefect caches nothing."""
    defaults: dict[str, Any] = {
        "retries": 3,
        "retry_delay_seconds": exponential_backoff(backoff_factor=2),
        "retry_jitter_factor": 0.5,
        "retry_condition_fn": may_retry,
        "on_failure": [tell_failure],
        "cache_policy": NO_CACHE,
        "persist_result": False,
    }

    def decorate(step: Callable[..., Any]) -> Task[..., Any]:
        @wraps(step)
        def noted(*arguments: Any, **named: Any) -> Any:
            started.add(task_run.id)
            return step(*arguments, **named)

        return task(**{**defaults, **options})(noted)

    return decorate


def may_retry(failed: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """A plain function: Prefect silently ignores partials and callable objects here."""
    error = _exception(state)
    return error is not None and is_retryable(error)


def tell_failure(failed: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    """Name the task and the reason in the log of the flow run; the flow run ends with that reason."""
    about = {"in_short": f"The task {run.name} failed."}
    logger.error("The task %s failed: %s", run.name, _exception(state) or state.message, extra=about)


def tell_harmless_failure(failed: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    """The same for a task whose failure does not end the flow run, so that nothing later tells the reason."""
    logger.error("The task %s failed: %s", run.name, _exception(state) or state.message)


def tell_flow_failure(failed: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    """Name the flow run and the reason in its log."""
    about = {"in_short": ""}
    logger.error("The flow run %s failed: %s", run.name, _exception(state) or state.message, extra=about)


def _exception(state: State[Any]) -> BaseException | None:
    """The exception of a failed state: bare while the task decides about a retry, in a result record after."""
    for candidate in (state.data, getattr(state.data, "result", None)):
        if isinstance(candidate, BaseException):
            return candidate
    return None
