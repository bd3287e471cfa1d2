"""One job on a compute target, from submission to its result: the final training after a search."""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from retuner.compute.target import ComputeTarget, JobState, JobStatus
from retuner.errors import Interrupted, OutOfTime, RetryableError, TrialFailed
from retuner_training.job import Job, JobResult
from retuner_training.redaction import redact

POLL_SECONDS = 0.2
MAX_ATTEMPTS = 3
SHOWN_LINES = 10
Ended = TypeVar("Ended", TrialFailed, OutOfTime)
_log = logging.getLogger(__name__)


def run_job_to_end(
    target: ComputeTarget,
    job_of: Callable[[int], Job],
    *,
    first: int,
    note: Callable[[int], None],
    at_work: Callable[[datetime | None], None] = lambda _: None,
    stop: threading.Event,
    seconds: float = math.inf,
) -> JobResult:
    """Submit the job of attempt `first` and wait for its result; a lost attempt is followed by the next.

    `note` is told the number of the attempt that comes next: a call that follows a failure or a kill must go on
    with the number noted last, since the target knows an earlier one as lost for good. `job_of` is asked right
    before its job is submitted. `at_work` is told once that it has had a node, and since when where the target
    knows. A job that has not ended after `seconds` is cancelled, be it at work or waiting for a node.

    Raises TrialFailed where the training code raised, RetryableError where MAX_ATTEMPTS were lost, Interrupted where
    `stop` was set, OutOfTime where the seconds were over, those of the job or these.
    """
    deadline = time.monotonic() + seconds
    for attempt in range(first, first + MAX_ATTEMPTS):
        note(attempt)
        job = job_of(attempt)
        _submit(target, job, stop)
        if page := target.link(job.name):
            _log.info("%s is at %s", job.name, page)
        status = _wait(target, job, at_work, stop, deadline)
        if status.state is JobState.COMPLETED and status.result is not None:
            return status.result
        if status.is_timeout():
            note(attempt + 1)  # with more time it is another job: this one has ended for good
            raise _with_last_words(_out_of_time(job.name, status), target, job.name)
        if status.state is JobState.FAILED:
            raise _with_last_words(_failed(job.name, status), target, job.name)
    note(first + MAX_ATTEMPTS)
    raise RetryableError(
        f"The job {job.name} was the last of {MAX_ATTEMPTS} lost: {redact(status.message or 'its node died')}."
    )


def _submit(target: ComputeTarget, job: Job, stop: threading.Event) -> None:
    try:
        target.submit(job)
    except RetryableError as error:
        if stop.is_set():  # it may be what cut the submission short, and then nobody wants another
            raise Interrupted(f"Stopped while {job.name} was submitted; continue with: retune run --resume") from error
        raise


def _failed(name: str, status: JobStatus) -> TrialFailed:
    return TrialFailed(f"The job {name} {status.state}: {redact(status.message or 'no reason was given')}.")


def _out_of_time(name: str, status: JobStatus) -> OutOfTime:
    """The error, with the diagnosis where the target has one."""
    reason = redact((status.message or "").removeprefix("timeout").lstrip(": "))
    return OutOfTime(f"The job {name} was stopped, as its time was over" + (f": {reason}." if reason else "."))


def _with_last_words(error: Ended, target: ComputeTarget, name: str) -> Ended:
    """The error, with the last lines that the job wrote as notes."""
    with suppress(RetryableError):
        for line in redact(target.log_tail(name)).splitlines()[-SHOWN_LINES:]:
            error.add_note(f"    {line}")
    return error


def _wait(
    target: ComputeTarget,
    job: Job,
    at_work: Callable[[datetime | None], None],
    stop: threading.Event,
    deadline: float,
) -> JobStatus:
    name, is_seen = job.name, False
    while True:
        status = target.poll({name: 0})[name]
        if not is_seen and (status.began or status.state is JobState.RUNNING):
            is_seen = True
            at_work(status.began)
        if status.state.is_finished():
            return status
        if time.monotonic() >= deadline:
            target.cancel([name])
            raise OutOfTime(f"The job {name} has not ended in time.")
        if stop.wait(POLL_SECONDS):
            target.cancel([name])
            raise Interrupted(f"Stopped while {name} was running; continue with: retune run --resume")
