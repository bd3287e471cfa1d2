"""What is shown of a study, from its records alone."""

import json
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from told_study import COMPLETED, FAILED, IDENTITY, PRUNED, RUNNING, START, told_trial

from retuner.cost.spending import Rates
from retuner.search.records import StudyRecord
from retuner.search.states import StudyState, TrialState
from retuner.search.view import Phase, view_study

STUDY = StudyRecord(
    "FAQ_ranker-ab-1", "FAQ_ranker", 1, IDENTITY, trials=8, created=START, updated=START + timedelta(minutes=3)
)
NOW = START + timedelta(minutes=1)


def view(*trials, study=STUDY, alive=True, now=NOW):
    return view_study(study, trials, now=now, alive=alive)


def test_trials_are_counted_by_their_states():
    shown = view(told_trial(0), told_trial(1, PRUNED), told_trial(2, FAILED), told_trial(3, RUNNING))
    assert shown.progress.states == {COMPLETED: 1, PRUNED: 1, FAILED: 1, RUNNING: 1}
    assert (shown.ended, shown.progress.planned) == (3, 8)


def test_the_curve_follows_the_ends_and_not_the_numbers():
    late = told_trial(0, value=0.9, seconds=100)
    shown = view(late, told_trial(1, value=0.5), told_trial(2, value=0.4), told_trial(3, PRUNED, 0.95))
    assert shown.curve == (0.5, 0.5, 0.9)
    assert (shown.progress.best_trial, shown.progress.best_value) == (0, 0.9)


def test_less_is_better_where_the_objective_says_so():
    study = replace(STUDY, identity=replace(IDENTITY, direction="minimize"))
    assert view(told_trial(0, value=0.5), told_trial(1, value=0.7), study=study).curve == (0.5, 0.5)


def test_the_latest_failures_are_those_that_ended_last():
    failed = [told_trial(n, FAILED, message=f"ValueError: {n}", seconds=200 - 20 * n) for n in range(7)]
    assert [one.trial for one in view(*failed).failures] == [4, 3, 2, 1, 0]


def test_a_node_tells_its_present_trial_and_what_it_did():
    shown = view(told_trial(0, node="a"), told_trial(1, node="b"), told_trial(2, RUNNING, node="a"))
    a, b = shown.nodes
    assert (a.name, a.trials, a.trial, a.step, a.seconds, a.busy_seconds) == ("a", 1, 2, 40, 40.0, 50.0)
    assert (b.name, b.trials, b.trial) == ("b", 1, None)


def test_a_dead_study_has_nobody_at_work():
    shown = view(told_trial(0, node="a"), told_trial(1, RUNNING, node="a"), alive=False)
    assert shown.phase is Phase.INTERRUPTED
    assert shown.nodes[0].trial is None
    assert shown.nodes[0].busy_seconds == 10


@pytest.mark.parametrize(
    ("fields", "alive", "phase"),
    [
        ({}, True, Phase.SEARCHING),
        ({}, False, Phase.INTERRUPTED),
        ({"stages": {"search": {"trials": 8}}}, True, Phase.RETRAINING),
        ({"stages": {"search": {"trials": 8}, "final": {}}}, True, Phase.EVALUATING),
        ({"stages": {"search": {"trials": 4}, "final": {}}}, True, Phase.SEARCHING),  # resumed with more trials
        ({"state": StudyState.FINISHED}, False, Phase.FINISHED),
        ({"state": StudyState.FAILED}, False, Phase.FAILED),
    ],
)
def test_the_phase_follows_from_state_stages_and_life(fields, alive, phase):
    shown = view(told_trial(0), study=replace(STUDY, **fields), alive=alive)
    assert shown.phase is phase
    assert (shown.seconds_left is not None) == (phase is Phase.SEARCHING)


def test_the_time_left_is_that_of_the_trials_left_on_the_nodes_at_work():
    ended = [told_trial(n, seconds=20) for n in range(2)]
    at_work = [told_trial(n, RUNNING) for n in (4, 5)]  # since 20 s and 10 s
    assert view(*ended, *at_work).seconds_left == (6 * 20 - 20 - 10) / 2
    assert view(*at_work).seconds_left is None


def test_the_minutes_of_the_budget_bound_the_time_left():
    clock = {"since": (NOW - timedelta(seconds=20)).isoformat(), "seconds": 40.0}  # of the process before
    study = replace(STUDY, trials=1000, parameters={"budget": {"max_minutes": 2}}, stages={"clock": clock})
    assert view(told_trial(0), study=study).seconds_left == 60


def told_rates(usd_per_hour: float | None) -> Rates:
    origin = usd_per_hour and "list price of 2026-04-01"
    times = {"startup_seconds": 0, "idle_seconds": 0, "trial_seconds": 600, "final_seconds": 600}
    return Rates(usd_per_hour=usd_per_hour, origin=origin, **times)


def test_what_was_spent_stands_beside_the_plan():
    rates = told_rates(36.0)
    part = {"node_hours": 1.0, "usd": 36.0}
    plan = dict.fromkeys(("work", "retrain", "startup", "idle", "total"), part)
    study = replace(STUDY, stages={"rates": asdict(rates), "plan": plan})
    held = replace(told_trial(0).attempts[0], began=START, seconds=10.0)
    cost = view(replace(told_trial(0), attempts=(held,)), study=study).to_dict()["cost"]
    assert cost["spent"]["total"]["usd"] == cost["spent"]["work"]["usd"] == 0.1
    assert cost["plan"]["total"] == part
    assert cost["price"] == "list price of 2026-04-01"
    assert view(told_trial(0)).to_dict()["cost"] is None


def test_a_grid_is_planned_as_large_as_it_is():
    identity = replace(IDENTITY, sampler="grid", space={"kind": {"type": "categorical", "choices": [1, 2, 3]}})
    assert view(study=replace(STUDY, identity=identity)).progress.planned == 3


def test_an_ended_study_took_as_long_as_until_its_last_change():
    ended = replace(STUDY, state=StudyState.FINISHED)
    assert view(told_trial(0), study=ended, now=NOW + timedelta(days=9)).seconds == 180


def test_it_is_one_json_document():
    trials = [told_trial(0), told_trial(1, RUNNING), told_trial(2, FAILED, message="ValueError: no")]
    document = json.loads(json.dumps(view(*trials).to_dict(), allow_nan=False))
    assert document["trials"] == {
        "planned": 8,
        "ended": 2,
        "asked": 3,
        "running": 1,
        "completed": 1,
        "pruned": 0,
        "failed": 1,
    }
    assert document["failures"] == [{"trial": 2, "message": "ValueError: no"}]
    assert document["best"]["value"] == 0.5


def test_an_empty_study_can_be_looked_at():
    shown = view()
    assert (shown.ended, shown.curve, shown.nodes, shown.started) == (0, (), (), None)


def test_a_trial_that_waits_has_no_node_yet():
    waiting = replace(told_trial(0, RUNNING), state=TrialState.ASKED, attempts=(), reports=())
    assert view(waiting).nodes == ()
