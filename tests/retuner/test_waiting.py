"""One job to its end: which attempt is submitted, and what is made of its end."""

import math
import threading

import pytest
from fake_target import FakeTarget

from retuner.compute import waiting
from retuner.compute.target import JobState, JobStatus
from retuner.compute.waiting import run_job_to_end
from retuner.errors import Interrupted, OutOfTime, RetryableError, TrialFailed
from retuner_training.job import Job


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.001)


class Waiting:
    """Calls that follow each other as the retries of a stage do."""

    def __init__(self, *, within=math.inf, **job):
        self.seconds = within
        self.noted = [1]
        self.job = {"parameters": {"x": 0.5}, **job}
        self.stop = threading.Event()

    def run(self, target):
        note = self.noted.append
        return run_job_to_end(
            target, self.job_of, first=self.noted[-1], note=note, stop=self.stop, seconds=self.seconds
        )

    def job_of(self, attempt):
        return Job(name=f"s-final-t0003-a{attempt}", study="s", recipe="r", dataset="d", output="o", **self.job)


def losing(target, attempts):
    """The target loses the jobs of these attempts as soon as they run."""

    def lose():
        for name in target.living():
            if int(name.rpartition("-a")[2]) in attempts:
                target.lose(name)

    target.on_poll = lose
    return target


def test_a_lost_job_is_followed_by_the_next_attempt():
    target = losing(FakeTarget(), {1})
    assert Waiting().run(target).name == "s-final-t0003-a2"


def test_a_retry_goes_on_with_the_number_after_those_that_were_lost():
    target, job = losing(FakeTarget(), {1, 2, 3}), Waiting()
    with pytest.raises(RetryableError, match="last of 3 lost"):
        job.run(target)
    assert job.run(target).name == "s-final-t0003-a4"
    assert target.submitted == [f"s-final-t0003-a{number}" for number in (1, 2, 3, 4)]


def test_a_retry_after_a_silent_target_waits_for_the_job_that_runs():
    target, job = FakeTarget(), Waiting()

    def fall_silent():
        target.silent, target.on_poll = 1, None

    target.on_poll = fall_silent
    with pytest.raises(RetryableError):
        job.run(target)
    assert job.run(target).value == 0.5
    assert target.trained == ["s-final-t0003-a1"]


def test_a_job_that_somebody_else_stopped_counts_as_lost():
    target = FakeTarget()

    def stop_first():
        for name in target.living():
            if name.endswith("-a1"):
                target._jobs[name].status = JobStatus(JobState.STOPPED, message="asked")

    target.on_poll = stop_first
    assert Waiting().run(target).name == "s-final-t0003-a2"


def test_a_job_that_ran_out_of_time_is_not_tried_again_before_there_is_more_of_it():
    target, job = FakeTarget(), Waiting(seconds=2)
    with pytest.raises(OutOfTime, match="s-final-t0003-a1 was stopped, as its time was over") as caught:
        job.run(target)
    assert caught.value.__notes__, "the last lines of its log"
    assert target.trained == ["s-final-t0003-a1"]
    job.job["seconds"] = 1000
    assert job.run(target).name == "s-final-t0003-a2"


def test_a_job_that_raised_is_not_tried_again():
    def fail(parameters):
        raise ArithmeticError("no")

    target = FakeTarget(fail)
    with pytest.raises(TrialFailed, match="failed: ArithmeticError: no"):
        Waiting().run(target)
    assert target.trained == ["s-final-t0003-a1"]


def test_a_stop_cancels_the_job():
    target, job = FakeTarget(lambda parameters: [0.5] * 10**6), Waiting()
    target.on_poll = job.stop.set
    with pytest.raises(Interrupted):
        job.run(target)
    assert target.cancelled == ["s-final-t0003-a1"]


@pytest.mark.parametrize("attempts", [set(), {1}])
def test_a_job_that_has_not_ended_in_time_is_cancelled_also_a_second_attempt(attempts):
    target = losing(FakeTarget(lambda _: [0.5] * 10**6), attempts)
    with pytest.raises(OutOfTime, match=rf"The job s-final-t0003-a{len(attempts) + 1} has not ended in time"):
        Waiting(within=0.3).run(target)
    assert target.cancelled == [f"s-final-t0003-a{len(attempts) + 1}"]


def test_a_submission_that_a_stop_cut_short_is_no_failure():
    target, job = FakeTarget(), Waiting()
    target.silent = 1
    job.stop.set()
    with pytest.raises(Interrupted, match="Stopped while s-final-t0003-a1 was submitted"):
        job.run(target)


def test_a_job_that_is_at_work_is_told_once_an_attempt():
    target, seen = losing(FakeTarget(lambda _: [0.5] * 5, speed=1), {1}), []
    job = Waiting()

    def at_work(began):
        seen.append("at work")

    run_job_to_end(target, job.job_of, first=1, note=seen.append, at_work=at_work, stop=job.stop)
    assert seen == [1, 2, "at work"]
