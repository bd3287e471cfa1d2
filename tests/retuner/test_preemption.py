"""Nodes that are taken away: a budget of their own beside that of nodes that are lost. What waited there needs none."""

import pytest

from retuner.compute.target import JobState, JobStatus
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState
from retuner.search.transitions import TIMES_NOT_BEGUN, finish, start_attempt

TAKEN = JobStatus(JobState.LOST, message="its node was preempted", preempted=True)
NOT_BEGUN = JobStatus(JobState.LOST, message="its worker hung in another", not_begun=True)
LOST = JobStatus(JobState.LOST, message="Azure ML does not know its run any more")


def ended(*ends: JobStatus, attempts: int = 2, preemptions: int = 3) -> TrialRecord:
    """A trial whose attempts ended like this, one after the other."""
    trial = TrialRecord(0, TrialState.ASKED, {"x": 0.5})
    for end in ends:
        trial = finish(start_attempt(trial, "s"), end, attempts=attempts, preemptions=preemptions)
    return trial


@pytest.mark.parametrize(
    "ends", [[TAKEN] * 3, [LOST], [TAKEN, LOST, TAKEN, TAKEN], [NOT_BEGUN] * TIMES_NOT_BEGUN + [LOST]]
)
def test_a_trial_within_both_budgets_gets_another_attempt(ends):
    assert ended(*ends).state is TrialState.LOST


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ([TAKEN] * 4, "preempted: its node was preempted (4 times)"),
        ([NOT_BEGUN] * (TIMES_NOT_BEGUN + 2), "lost: its worker hung in another (2 times)"),
        ([LOST] * 2, "lost: Azure ML does not know its run any more (2 times)"),
        ([TAKEN, TAKEN, LOST, LOST], "lost: Azure ML does not know its run any more (2 times)"),
    ],
)
def test_a_trial_beyond_one_of_them_has_failed(ends, words):
    trial = ended(*ends)
    assert (trial.state, trial.message) == (TrialState.FAILED, words)
