"""The probe trial of a flow run's plan: when it is made, what it tells, and that nothing of it is left."""

import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from retune_command import FIXED

from retuner.cost import probe
from retuner.cost.plan import Plan
from retuner.errors import Interrupted, UserError
from retuner.parameters import Budget
from retuner.stages.plan import note_plan, plan_retune
from retuner.stages.prepare import prepare_dataset
from retuner.stages.study import open_study

ON_THIS_MACHINE = "one probe trial on this machine"


class Prober:
    """A flow run's plan of the toy recipe, whose trainings leave a line each in a file."""

    def __init__(self, stages: Any, folder: Path) -> None:
        self.stages = stages
        self.record = folder / "trainings.txt"

    def bench(self, *, space: dict[str, Any] | None = None, **groups: Any) -> Any:
        search = {"space": {**FIXED, "record": str(self.record), **(space or {})}}
        return self.stages.with_parameters(search=search, **groups).bench

    def plan(self, **options: Any) -> Plan:
        return plan_retune(self.bench(**options))

    def trainings(self) -> int:
        return len(self.record.read_text().splitlines()) if self.record.exists() else 0


@pytest.fixture
def prober(stage_bench, tmp_path):
    yield Prober(stage_bench, tmp_path)
    commands = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert not [command for command in commands if "retuner_training" in command], "a probe's process is left"


def test_a_first_plan_rests_on_one_probe_trial(prober):
    plan = prober.plan()
    assert plan.durations.trial.basis == ON_THIS_MACHINE
    assert plan.durations.trial.seconds >= 0.6
    assert (plan.is_bound, prober.trainings()) == (False, 1)


def test_the_dataset_of_the_probe_is_the_one_that_is_prepared(prober, monkeypatch):
    bench = prober.bench()
    plan_retune(bench)
    monkeypatch.setattr("retuner.workbench.make_dataset", lambda *_, **__: pytest.fail("it is made once"))
    assert prepare_dataset(bench).name == prober.stages.study.dataset.name


def test_a_study_that_goes_on_keeps_its_plan_and_makes_no_probe(prober):
    bench = prober.bench()
    plan = plan_retune(bench)
    note_plan(bench, open_study(bench, bench.dataset), plan)
    again = plan_retune(bench)
    assert again.durations == plan.durations
    assert again.durations.trial.basis == ON_THIS_MACHINE
    assert prober.trainings() == 1


@pytest.mark.parametrize(
    ("space", "groups", "words"),
    [
        ({"fails_at": 1}, {}, "The probe trial failed (ArithmeticError: step 1 went wrong)."),
        ({}, {"data": {"source": "no-such-folder"}}, "There is no data source 'no-such-folder'"),
    ],
)
def test_a_probe_that_fails_leaves_a_bound_and_the_reason(prober, space, groups, words):
    plan = prober.plan(space=space, **groups)
    assert plan.is_bound
    assert any(note.startswith(words) for note in plan.notes)
    assert plan.durations.trial.basis.endswith("neither an earlier study nor a probe tells")


def test_a_probe_that_has_no_time_leaves_a_bound(prober, monkeypatch):
    monkeypatch.setattr(probe, "WHOLE_SECONDS", 0.1)
    plan = prober.plan()
    assert plan.is_bound
    assert "The probe trial had not ended when its time was over." in plan.notes


def test_a_long_trial_is_stopped_and_tells_the_least(prober):
    trial = prober.plan(space={"steps": 1000}, budget={"seconds_per_trial": 1}).durations.trial
    assert trial.basis == f"at least: {ON_THIS_MACHINE}, stopped after 1 s"
    assert (trial.seconds >= 1, trial.is_bound) == (True, False)


def test_a_probe_takes_a_tenth_of_the_minutes_at_most():
    assert probe._whole_seconds(Budget(max_minutes=10)) == 60
    assert probe._whole_seconds(Budget(max_minutes=600)) == probe._whole_seconds(Budget()) == 180


def test_a_budget_that_refuses_the_retune_or_the_probe_makes_none(prober):
    with pytest.raises(UserError, match="is below one trial"):
        prober.plan(budget={"max_cost": 0.01, "price_per_hour": 1})
    with pytest.raises(UserError, match="is below one trial"):
        prober.plan(budget={"max_minutes": 1})
    assert prober.plan(budget={"probe": False}).is_bound
    assert prober.trainings() == 0


def test_a_request_to_stop_ends_the_probe(prober):
    bench = prober.bench(space={"steps": 1000})

    def ask() -> None:
        while not prober.trainings():
            time.sleep(0.02)
        bench.stop.set()

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Interrupted):
        plan_retune(bench)
    asking.join()
    assert prober.trainings() == 1
