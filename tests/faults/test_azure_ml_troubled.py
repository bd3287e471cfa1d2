"""What a study asks for where a job hangs and another fails, with each fault: it ends right, or says what to do.

All of it is for `make faults`, but one case.
"""

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from azure_bench import assert_cleaned_up, assert_given_back, emulated, impatience, jobs, study
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS
from azure_study import PACE, play
from what_holds import shortened

from retuner.compute.azure_ml_requests import job_of_arguments
from retuner.errors import RetryableError, UserError
from retuner.search.states import TrialState

__all__ = ["impatience", "study"]
pytestmark = SDK_WARNINGS
CANCEL = "cancel"
REASON = "ArithmeticError: step 2 went wrong"
READ, UNREAD = "toy-.*-t0001-a1 was here", "The log could not be read"
REQUESTS = {
    CANCEL: ("POST", "/cancel$"),
    "details of the run": ("GET", "/details$"),
    "list of its logs": ("GET", "/artifacts/prefix/contentinfo/"),
    "log": ("GET", "/ExperimentRun/.*/std_log[.]txt$"),
}
"""What is asked beside all that an undisturbed study asks."""
PASSING = {
    "refused": (FaultKind.THROTTLED, FaultKind.ERROR, FaultKind.UNAVAILABLE),
    "silent": (FaultKind.RESET, FaultKind.HANG, FaultKind.SLOW),
    "token": (FaultKind.EXPIRED,),
}
ASKED_AGAIN = [("details of the run", "refused"), ("list of its logs", "refused")]
"""The SDK's transport asks three times more by itself, which gets over these where its waits suffice."""
CASES = [(name, kind) for name in REQUESTS for kind in PASSING if (name, kind) != ("log", "token")]  # it shows none


@pytest.fixture
def emulator(azurite_https, tmp_path):
    """Where the first job hangs in Queued, and trial 1 fails."""
    for emulator in emulated(azurite_https, tmp_path, quota_cores=32, execute=False, script=play_or_fail):
        emulator.faults.add(FaultRule("POST", "/snapshotrun$", FaultKind.STUCK))
        yield emulator


def play_or_fail(run):
    script, job = play(run), job_of_arguments(run.definition["arguments"])
    if "-t0001-" not in job.name or job.keep_model:
        return script
    result = {"name": job.name, "outcome": "failed", "reports": [], "reason": REASON}
    container, _, prefix = urlsplit(job.output).path.lstrip("/").partition("/")
    return replace(
        script, error="exit code 1", files={(container, f"{prefix}/result.json"): json.dumps(result).encode()}
    )


def assert_ended_right(one, opened, *, log: str) -> None:
    first, second = one.ledger.trials(opened.name)
    assert [attempt.state for attempt in first.attempts] == [TrialState.LOST, TrialState.COMPLETED]
    assert (second.state, len(second.attempts)) == (TrialState.FAILED, 1)
    assert second.message == REASON
    assert re.search(log, second.attempts[0].log)


@pytest.mark.parametrize("case", shortened(CASES, [(CANCEL, "refused")]), ids="-".join)
def test_a_passing_fault_costs_no_more_than_the_log(study, emulator, case):
    (one, opened), (name, faults) = study, case
    emulator.faults.add(*(FaultRule(*REQUESTS[name], kind, seconds=1) for kind in PASSING[faults]))
    one.run(opened)
    log = READ if name == CANCEL or faults == "token" else UNREAD
    assert_ended_right(one, opened, log=f"{READ}|{UNREAD}" if case in ASKED_AGAIN else log)
    assert jobs(emulator) == ["final-t0000-a1", "t0000-a1", "t0000-a2", "t0001-a1"]
    assert_given_back(emulator)


@pytest.mark.parametrize("name", shortened(REQUESTS, ()))
@pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN, FaultKind.UNAVAILABLE])
def test_a_fault_for_ever_ends_the_study_at_most_and_clean_up_does_the_rest(study, emulator, name, kind):
    one, opened = study
    one.pace = type(one.pace)(patience=1.0, longest_after_error=0.2, stop=1.0, close=1.0)
    emulator.faults.add(FaultRule(*REQUESTS[name], kind, times=10_000))
    with pytest.raises((UserError, RetryableError)) if name == CANCEL else nullcontext() as caught:
        one.run(opened)
    if name == CANCEL:
        assert re.search("cannot be cancelled.*(role|could not do it now)", str(caught.value)), str(caught.value)
    else:
        assert_ended_right(one, opened, log=UNREAD)
    assert_cleaned_up(one, emulator)
    one.pace = PACE
    one.run(opened)
    assert [trial.state for trial in one.ledger.trials(opened.name)] == [TrialState.COMPLETED, TrialState.FAILED]
    assert "t0000-a3" not in jobs(emulator), "the trial was paid for more often than its attempts were lost"
