"""How a trial's record changes with what a compute target says of its job. Pure functions, no clock but `now`."""

import math
import re
from dataclasses import replace
from typing import Literal

from retuner.compute.target import JobState, JobStatus
from retuner.search.records import NOT_BEGUN, Attempt, TrialRecord, failure_class, node_seconds, now
from retuner.search.states import TrialState
from retuner_training.redaction import redact

StopReason = Literal["pruned", "minutes", "stopped"]
"""Why we ask a job to stop. Written into its attempt before it is asked."""

ADOPTED = "adopted"
"""The reason of an attempt that an earlier process began: its job may have been stopped with that process."""

TIMES_NOT_BEGUN = 20
"""So often at most an attempt that was lost before it began counts towards no limit: one that kills its node so soon
that nobody hears of its begin looks the same."""
_OPEN = (TrialState.SUBMITTED, TrialState.RUNNING)


def job_name(study: str, number: int, attempt: int) -> str:
    """The name of an attempt's job: `{study}-t0007-a1`."""
    return f"{study}-t{number:04d}-a{attempt}"


def is_trial_job(name: str, study: str) -> bool:
    """Whether a job's name is that of a trial of the study; the final training's is not."""
    return re.fullmatch(re.escape(study) + r"-t\d{4,}-a\d+", name) is not None


def start_attempt(trial: TrialRecord, study: str) -> TrialRecord:
    """The trial as it is submitted now.

    An attempt of which no end is known keeps its name: its result may lie in storage, or its job may still be alive,
    and a second submit of a name starts nothing. Only an attempt that is known to have ended gets a successor.
    """
    attempts = trial.attempts
    if attempts and attempts[-1].state in _OPEN:
        attempt = replace(attempts[-1], state=TrialState.SUBMITTED, reason=ADOPTED)
        attempts = attempts[:-1]
    else:
        attempt = Attempt(job_name(study, trial.number, len(attempts) + 1), TrialState.SUBMITTED, started=now())
    return replace(
        trial, state=TrialState.SUBMITTED, value=None, reports=(), attempts=(*attempts, attempt), message=None
    )


def fresh_reports(trial: TrialRecord, status: JobStatus) -> tuple[tuple[int, float], ...]:
    """Reports that the record does not have yet, also those that came with the result alone."""
    last = trial.reports[-1][0] if trial.reports else -1
    reports = dict(status.result.reports) if status.result else {}
    reports.update(status.reports)
    return tuple((step, value) for step, value in sorted(reports.items()) if step > last)


def observe(trial: TrialRecord, status: JobStatus) -> TrialRecord:
    """The record with the job's new reports, its node, and whether it runs."""
    reports = fresh_reports(trial, status)
    attempt = trial.attempts[-1]
    state = TrialState.SUBMITTED if status.state is JobState.QUEUED else TrialState.RUNNING
    if not reports and state is attempt.state and status.node in (None, attempt.node):
        return trial
    began = attempt.began or status.began or (now() if status.state is JobState.RUNNING else None)
    attempt = replace(attempt, state=state, node=status.node or attempt.node, began=began)
    return replace(trial, state=state, reports=trial.reports + reports, attempts=(*trial.attempts[:-1], attempt))


def ask_to_stop(trial: TrialRecord, reason: StopReason) -> TrialRecord:
    """The record with the reason for which its job is about to be asked to stop."""
    attempt = replace(trial.attempts[-1], reason=reason)
    return replace(trial, attempts=(*trial.attempts[:-1], attempt))


def finish(trial: TrialRecord, status: JobStatus, *, attempts: int, preemptions: int = 0) -> TrialRecord:
    """The record of a job that has ended.

    State LOST means that the trial gets another attempt; at the `attempts`-th loss it fails, and after `preemptions`
    of its nodes were taken away at the next. A job that was stopped, but not by us, counts as lost; but not one that
    an earlier process began, as a trial would fail for being interrupted often, nor one that never began.
    """
    reason = trial.attempts[-1].reason
    if status.state is JobState.COMPLETED and status.result is not None:
        return _completed(trial, status)
    if status.is_timeout():
        return _ended(trial, TrialState.FAILED, status, message=_timeout(status))
    if status.state is JobState.FAILED:
        return _ended(trial, TrialState.FAILED, status, message=_words(status) or "unknown: no reason was given")
    if reason in ("pruned", "minutes", "stopped"):
        return stopped(trial, status)
    if reason == ADOPTED and status.state is JobState.STOPPED:
        return _ended(trial, TrialState.LOST, status, message="stopped: with the process that had begun it")
    lost = [failure_class(attempt.reason) for attempt in trial.attempts if attempt.state is TrialState.LOST]
    if status.not_begun and lost.count(NOT_BEGUN) < TIMES_NOT_BEGUN:
        return _ended(trial, TrialState.LOST, status, message=f"{NOT_BEGUN}: {_words(status)}")
    kind, most = ("preempted", preemptions + 1) if status.preempted else ("lost", attempts)
    message = f"{kind}: {_words(status) or 'its node forgot it'}"
    times = 1 + lost.count(kind)
    if times < most:
        return _ended(trial, TrialState.LOST, status, message=message)
    return _ended(trial, TrialState.FAILED, status, message=f"{message} ({times} times)")


def _timeout(status: JobStatus) -> str:
    """After how long it stopped itself, or the diagnosis of the target, which had to stop it."""
    if status.result is not None:
        return f"timeout: stopped after {status.result.seconds:.0f} s"
    told = _words(status)
    return told if told and told != "timeout" else "timeout: stopped"


def set_aside(trial: TrialRecord, message: str) -> TrialRecord:
    """A cancelled trial of whose last attempt no end is known: a resumed study asks for that attempt's result first."""
    return replace(trial, state=TrialState.CANCELLED, message=message)


def stopped(trial: TrialRecord, status: JobStatus | None = None) -> TrialRecord:
    """The record of a job that ended because we asked it to.

    Pruned or out of minutes: its value is its last report, and without a number there it has failed. Else cancelled: a
    resumed study tries it again.
    """
    reason = trial.attempts[-1].reason
    if reason in ("pruned", "minutes") and trial.reports:
        value = trial.reports[-1][1]
        if not math.isfinite(value):
            return _ended(trial, TrialState.FAILED, status, message=f"no value: the last report is {value}")
        message = None if reason == "pruned" else "stopped: the search's minutes were over"
        return replace(_ended(trial, TrialState.PRUNED, status, message=message), value=value)
    message = "the search's minutes were over" if reason == "minutes" else "the search was stopped"
    return _ended(trial, TrialState.CANCELLED, status, message=message)


def _completed(trial: TrialRecord, status: JobStatus) -> TrialRecord:
    result = status.result
    assert result is not None
    if result.value is None or not math.isfinite(result.value):
        return _ended(trial, TrialState.FAILED, status, message=f"no value: the training returned {result.value}")
    return replace(
        _ended(trial, TrialState.COMPLETED, status, message=None),
        value=result.value,
        metrics=dict(result.metrics),
        standard_errors=dict(result.standard_errors),
    )


def _ended(trial: TrialRecord, state: TrialState, status: JobStatus | None, *, message: str | None) -> TrialRecord:
    attempts = trial.attempts
    trained = status.result.seconds if status and status.result else None
    if attempts:
        last = attempts[-1]
        node, ended = (status and status.node) or last.node, now()
        held = node_seconds(started=last.started or ended, began=last.began, ended=ended, trained=trained)
        reason = message or (None if last.reason == ADOPTED else last.reason)
        closed = replace(last, state=state, ended=ended, node=node, reason=reason, seconds=held)
        attempts = (*attempts[:-1], closed)
    seconds = trial.seconds if trained is None else trained
    return replace(trial, state=state, attempts=attempts, seconds=seconds, message=message)


def _words(status: JobStatus) -> str | None:
    """What is known of how it ended. The training code's own words may hold an address with its password."""
    words = status.message or (status.result.reason if status.result else None)
    return words and redact(words)
