"""What all tasks have in common: which failures are tried again, on a real Prefect server."""

import pytest
from prefect import flow

from retuner.errors import Interrupted, RetryableError, TrialFailed, UserError
from tasks.stage import stage


@pytest.mark.parametrize(
    ("error", "tries"),
    [(RetryableError, 3), (UserError, 1), (TrialFailed, 1), (Interrupted, 1), (ValueError, 1)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_task_is_tried_again_where_the_error_tree_says_that_it_may_help(api, error, tries):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    calls = []

    @stage(name="step", retry_delay_seconds=0)
    def step() -> str:
        calls.append(error)
        if len(calls) < 3:
            raise error("went wrong")
        return "done"

    @flow(name="tries")
    def run() -> str:
        return str(step())

    with temporary_settings({PREFECT_API_URL: api}):
        state = run(return_state=True)
    assert (len(calls), state.is_completed()) == (tries, tries == 3)
