"""What an operator is told of failed and lost attempts: how often, why, the last log lines, what is next."""

from dataclasses import replace

import pytest

from retuner.compute.target import JobState, JobStatus
from retuner.errors import RetryableError
from retuner.search.failures import LOG_LINES, failure_classes, in_words, keep_last_words
from retuner.search.records import Attempt, TrialRecord
from retuner.search.states import TrialState
from retuner.search.transitions import finish, start_attempt


class Talking:
    """A target that knows the log of every job."""

    def __init__(self, log: str) -> None:
        self.log = log

    def log_tail(self, name: str) -> str:
        return self.log


class Silent:
    def log_tail(self, name: str) -> str:
        raise RetryableError("it does not answer")


def ended(number: int, status: JobStatus, log: str = "") -> TrialRecord:
    """A trial whose first attempt ended so."""
    trial = start_attempt(TrialRecord(number, TrialState.ASKED), "s")
    return keep_last_words(finish(trial, status, attempts=3), "s", Talking(log))


FAILED = JobStatus(JobState.FAILED, message="ValueError: no rows", node="n1")
LOST = JobStatus(JobState.LOST, message="its worker n2 died", node="n2")


def test_classes_come_by_number_with_the_latest_trial_and_what_is_next():
    trials = [ended(0, FAILED), ended(1, LOST), ended(2, FAILED, "reading\n\nTraceback\nValueError: no rows")]
    first, second = failure_classes(trials)
    assert (first.name, first.count, first.trial) == ("ValueError", 2, 2)
    assert (second.name, second.count, second.trial) == ("lost", 1, 1)
    assert in_words([first, second]).splitlines() == [
        "2 x ValueError: no rows; the latest is trial 2 (s-t0002-a1 on n1)",
        "    reading",
        "    ",
        "    Traceback",
        "    ValueError: no rows",
        "  next: what the training raises is not tried again: correct the recipe, the data or search.space",
        "1 x lost: its worker n2 died; the latest is trial 1 (s-t0001-a1 on n2)",
        "  next: a lost attempt is followed by another, up to three; then look at the node",
    ]


def test_an_attempt_that_was_lost_counts_also_when_the_next_one_completed():
    trial = ended(0, LOST)
    done = replace(
        trial, state=TrialState.COMPLETED, attempts=(*trial.attempts, Attempt("s-t0000-a2", TrialState.COMPLETED))
    )
    assert [one.name for one in failure_classes([done])] == ["lost"]
    assert failure_classes([TrialRecord(1, TrialState.RUNNING, attempts=(Attempt("x", TrialState.RUNNING),))]) == []
    assert in_words([]) == ""


def test_a_new_attempt_is_said_in_the_log_with_its_study_and_trial(caplog):
    ended(4, LOST)
    [record] = caplog.records
    assert record.getMessage() == "s trial 4 lost: its worker n2 died; attempt 2 follows"
    assert (record.study, record.trial, record.attempt) == ("s", 4, 1)


def test_of_the_log_the_last_lines_are_kept_without_secrets():
    trial = ended(0, FAILED, "\n".join([*map(str, range(30)), "https://a/b?sig=topsecret"]))
    lines = (trial.attempts[-1].log or "").splitlines()
    assert len(lines) == LOG_LINES
    assert lines[0] == "11"
    assert "topsecret" not in lines[-1]


def test_a_target_that_does_not_answer_costs_the_words_alone():
    trial = start_attempt(TrialRecord(0, TrialState.ASKED), "s")
    kept = keep_last_words(finish(trial, FAILED, attempts=3), "s", Silent())
    assert (kept.state, kept.attempts[-1].log) == (TrialState.FAILED, "(The log could not be read: it does not answer)")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (JobStatus(JobState.STOPPED, message="timeout: it went on after its 5 s"), "raise budget.seconds_per_trial"),
        (JobStatus(JobState.COMPLETED), "a lost attempt is followed by another"),
    ],
)
def test_each_class_of_ours_has_its_own_advice(status, words):
    [one] = failure_classes([ended(0, status)])
    assert words in one.what_next


@pytest.mark.parametrize(
    ("message", "told"),
    [("timeout: it went on after its 5 s", "timeout: it went on after its 5 s"), ("timeout", "timeout: stopped")],
)
def test_a_job_that_the_target_had_to_stop_keeps_its_diagnosis(message, told):
    trial = ended(0, JobStatus(JobState.STOPPED, message=message))
    assert (trial.state, trial.message) == (TrialState.FAILED, told)
