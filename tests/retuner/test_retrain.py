"""The final training: what is trained, what is found again, and what a failure leaves behind."""

from dataclasses import replace
from pathlib import Path

import pytest
from fake_target import FakeTarget
from stage_bench import BEST, StageBench

from retuner.compute import waiting
from retuner.compute.target import JobState, JobStatus
from retuner.cost.spending import final_tries
from retuner.errors import RetryableError, TrialFailed, UserError
from retuner.search.records import TrialRecord, now
from retuner.search.states import StudyState
from retuner.stages.budget import worked_before
from retuner.stages.retrain import retrain_best
from retuner.stages.study import open_study
from retuner_training.job import Job
from retuner_training.run import run_job


class Trainer(FakeTarget):
    """A target whose jobs leave their files in the store; those of `lost` attempts die before."""

    def __init__(self, *, lost: tuple[int, ...] = ()) -> None:
        super().__init__(lambda parameters: [parameters["quality"]], nodes=1)
        self.lost = lost
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        known = job.name in self._jobs
        super().submit(job)
        if known:
            return
        self.jobs.append(job)
        if int(job.name.rpartition("-a")[2]) in self.lost:
            self.lose(job.name)
        else:
            run_job(job)


class Muted(Trainer):
    """One that does not answer once the job is there."""

    def submit(self, job: Job) -> None:
        super().submit(job)
        self.silent = 1


class Full(FakeTarget):
    """One without a free node."""

    def poll(self, jobs):
        return {name: JobStatus(JobState.QUEUED) for name in jobs}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.001)


def retrain(bench: StageBench, target: FakeTarget, best: TrialRecord = BEST) -> str:
    return retrain_best(bench.bench, bench.study, target, best)


def model_of(bench: StageBench, job: str) -> Path:
    return bench.bench.store.root / "jobs" / bench.study.name / job / "model.joblib"


def test_the_final_training_has_a_time_limit_of_its_own(stage_bench):
    target = Trainer()
    limits = {"seconds_per_trial": 60, "seconds_final": 600}
    retrain(stage_bench.with_parameters(budget=limits), target)
    assert [(job.seconds, job.keep_model) for job in target.jobs] == [(600, True)]


def test_max_minutes_bind_the_final_training_and_leave_the_study_open(stage_bench):
    """Earlier processes have used up nearly all of them."""
    bench = stage_bench.with_parameters(budget={"max_minutes": 3, "seconds_final": 60})
    bench = replace(bench, bench=replace(bench.bench, opened=now()))
    clock = {"since": bench.bench.opened.isoformat(), "seconds": 60 * 3 - 0.5}
    bench.bench.ledger.write_stage(bench.study.name, "clock", clock)
    target = Full()
    with pytest.raises(UserError, match=r"budget\.max_minutes = 3 is used up: raise it"):
        retrain(bench, target)
    assert target.cancelled == target.submitted
    assert tries_of(bench) == [("a1", True)]
    record = bench.bench.ledger.study(bench.study.name)
    assert record.state is StudyState.OPEN
    assert final_tries(record)[0]["seconds"] == 0, "it never had a node"
    assert worked_before(record, []) >= 60 * 3, "the next start has no minutes either"
    assert retrain(bench.with_parameters(budget={"max_minutes": 9}), Trainer(lost=(1,))).endswith("-a2")


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"seconds_final": 30}, r"budget\.seconds_final = 30 is over: raise it"),
        ({"max_minutes": 2.2}, r"half of budget\.max_minutes = 2\.2, .* is over: raise it"),
    ],
)
def test_a_final_training_that_takes_longer_than_it_may_can_be_continued_with_more_time(stage_bench, budget, words):
    bench = replace(stage_bench, bench=replace(stage_bench.bench, opened=now())).with_parameters(budget=budget)
    target = FakeTarget(lambda parameters: [0.5] * 100)
    with pytest.raises(UserError, match=words) as caught:
        retrain(bench, target)
    assert "-a1 was stopped, as its time was over" in caught.value.__notes__[0]
    assert bench.bench.ledger.study(bench.study.name).state is StudyState.OPEN
    assert tries_of(bench) == [("a1", True)]
    assert retrain(bench.with_parameters(budget={}), Trainer()).endswith("-a2")


def test_a_final_training_that_is_done_is_not_done_again(stage_bench):
    job = retrain(stage_bench, Trainer())
    target = Trainer()
    assert retrain(stage_bench, target) == job
    assert target.jobs == []


def test_another_best_trial_is_trained(stage_bench):
    first = retrain(stage_bench, Trainer())
    other = replace(BEST, number=5, parameters={"quality": 0.8})
    assert retrain(stage_bench, Trainer(), other) != first
    assert stage_bench.bench.ledger.study(stage_bench.study.name).stages["final"]["trial"] == 5


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("other")])
def test_a_model_that_left_the_store_is_trained_again(stage_bench, damage):
    model = model_of(stage_bench, retrain(stage_bench, Trainer()))
    whole = model.stat().st_size
    damage(model)
    job = retrain(stage_bench, Trainer())
    assert model_of(stage_bench, job).stat().st_size == whole


def test_after_a_kill_the_attempt_that_completed_is_found(stage_bench):
    """The first attempt was lost, the second completed, and the process died before it wrote that down."""
    job = retrain(stage_bench, Trainer(lost=(1,)))
    assert job.endswith("-a2")
    stages = stage_bench.bench.ledger.study(stage_bench.study.name).stages
    stage_bench.bench.ledger._update(stage_bench.study.name, {"stages": {**stages, "final": {}}})
    target = Trainer()
    assert retrain(stage_bench, target) == job
    assert target.jobs == []


def test_a_retry_of_the_stage_goes_on_with_the_next_attempt(stage_bench):
    target = Trainer(lost=(1, 2, 3))
    with pytest.raises(RetryableError):
        retrain(stage_bench, target)
    assert retrain(stage_bench, target).endswith("-a4")


def tries_of(bench: StageBench) -> list[tuple[str, bool]]:
    """The attempts whose cost is counted: how the job's name ends, and whether it has ended."""
    record = bench.bench.ledger.study(bench.study.name)
    return [(one["job"].rpartition("-")[2], one["seconds"] is not None) for one in final_tries(record)]


def test_an_attempt_whose_target_was_silent_for_a_while_is_one_attempt_and_is_paid_for_once(stage_bench):
    """The limit bears one final training and no second."""
    target = FakeTarget(lambda parameters: [parameters["quality"]] * 10**6, nodes=1)
    bench = stage_bench.with_parameters(budget={"max_cost": 1.5, "price_per_hour": 1.0, "seconds_final": 3600})
    target.on_poll = lambda: setattr(target, "silent", 1)
    with pytest.raises(RetryableError):
        retrain(bench, target)
    assert tries_of(bench) == [("a1", False)], "its job is alive"
    target.on_poll, target._speed = None, 10**6
    retrain(bench, target)
    assert tries_of(bench) == [("a1", True)]
    assert target.trained == target.submitted[:1]


def test_an_attempt_that_completed_unseen_is_paid_for_until_its_end(stage_bench):
    with pytest.raises(RetryableError):
        retrain(stage_bench, Muted())
    retrain(stage_bench, Trainer())
    assert tries_of(stage_bench) == [("a1", True)]


def test_an_attempt_that_is_never_submitted_costs_nothing(stage_bench):
    with pytest.raises(RetryableError):
        retrain(stage_bench, Trainer(lost=(1, 2, 3)))
    assert tries_of(stage_bench) == [("a1", True), ("a2", True), ("a3", True)]


def test_a_study_whose_final_training_fails_is_failed_and_the_next_start_opens_another(stage_bench):
    def fail(parameters):
        raise ArithmeticError("too deep")

    with pytest.raises(TrialFailed, match="too deep"):
        retrain(stage_bench, FakeTarget(fail))
    record = stage_bench.bench.ledger.study(stage_bench.study.name)
    assert record.state is StudyState.FAILED
    assert "The final training of trial 3 failed" in record.message
    assert open_study(stage_bench.bench, stage_bench.study.dataset).name != stage_bench.study.name


def test_a_final_training_that_was_lost_leaves_the_study_open(stage_bench):
    with pytest.raises(RetryableError):
        retrain(stage_bench, Trainer(lost=(1, 2, 3)))
    assert stage_bench.bench.ledger.study(stage_bench.study.name).state is StudyState.OPEN
