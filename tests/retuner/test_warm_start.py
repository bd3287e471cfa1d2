"""Warm start: which trials of earlier studies are tried first, and by which samplers."""

from dataclasses import replace

import pytest
from identities import identity

from retuner.search.ledger import Ledger
from retuner.search.records import TrialRecord
from retuner.search.space import fit_into, validate_space
from retuner.search.states import TrialState
from retuner.search.study import LiveStudy, SearchPlan
from retuner.search.warm_start import earlier_bests

DIMENSIONS = {
    "depth": {"type": "int", "low": 2, "high": 8},
    "rate": {"type": "float", "low": 0.01, "high": 1.0, "log": True},
    "kind": {"type": "categorical", "choices": ["a", 1, True]},
}
SPACE = validate_space(DIMENSIONS)
IDENTITY = identity(dataset="d1", recipe="toy", metric="hit", space=SPACE, sampler="tpe")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        yield ledger


def add_study(ledger, identity, *trials):
    """A study with completed trials of these (depth, value)."""
    study = ledger.open_study(identity, "model", trials=len(trials))
    records = [
        TrialRecord(number, TrialState.COMPLETED, {"depth": depth, "rate": 0.1, "kind": "a"}, value=value)
        for number, (depth, value) in enumerate(trials)
    ]
    ledger.write_trials(study.name, records)
    return study


def depths(found):
    return [parameters["depth"] for parameters in found]


def test_the_best_of_each_earlier_study_comes_first_the_newest_leading(ledger):
    add_study(ledger, IDENTITY, (2, 0.99), (3, 0.98))
    add_study(ledger, replace(IDENTITY, dataset="d2"), (5, 0.5), (6, 0.6), (3, 0.4))
    new = replace(IDENTITY, dataset="d3")
    assert depths(earlier_bests(ledger, new, count=3)) == [6, 2, 5]
    assert depths(earlier_bests(ledger, new, count=10)) == [6, 2, 5, 3]  # 3 once, though both studies have it
    assert earlier_bests(ledger, new, count=0) == []


def test_other_recipes_and_what_the_present_space_does_not_allow_are_left_out(ledger):
    add_study(ledger, IDENTITY, (2, 0.9), (7, 0.8))
    add_study(ledger, replace(IDENTITY, recipe="other"), (4, 1.0))
    narrow = validate_space(DIMENSIONS, {"depth": {"low": 5}})
    new = replace(IDENTITY, dataset="d3", space=narrow)
    assert depths(earlier_bests(ledger, new, count=5)) == [7]


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"gone": 5}, True),
        ({"depth": 9}, False),
        ({"depth": 3.5}, False),
        ({"depth": True}, False),
        ({"rate": 0.001}, False),
        ({"rate": float("nan")}, False),
        ({"kind": "b"}, False),
        ({"kind": 1}, True),
        ({"kind": 0}, False),
    ],
)
def test_a_trial_fits_where_every_value_is_in_its_range(change, fits):
    found = fit_into(SPACE, {"depth": 3, "rate": 0.1, "kind": "a", **change})
    assert (found is not None) is fits
    assert found is None or found.keys() == SPACE.keys()


def test_a_trial_without_one_of_the_hyperparameters_does_not_fit():
    assert fit_into(SPACE, {"depth": 3, "rate": 0.1}) is None


def test_tpe_asks_the_given_trials_first_and_then_its_own():
    first = ({"depth": 7, "kind": 1, "rate": 0.5}, {"depth": 2, "kind": "a", "rate": 0.02})
    live = LiveStudy(SearchPlan(SPACE, first=first))
    assert [live.ask() for _ in range(2)] == [(0, first[0]), (1, first[1])]
    assert live.ask()[1] == _third(SearchPlan(SPACE))


def _third(plan):
    """What TPE draws as trial 2 where nothing has ended yet."""
    live = LiveStudy(plan)
    return [live.ask()[1] for _ in range(3)][2]


@pytest.mark.parametrize("sampler", ["random", "qmc", "grid"])
def test_samplers_that_draw_by_number_stay_functions_of_seed_and_number(sampler):
    first = ({"depth": 7, "kind": 1, "rate": 0.5},)
    warm, cold = (LiveStudy(SearchPlan(SPACE, sampler=sampler, first=given)) for given in (first, ()))
    assert [warm.ask() for _ in range(3)] == [cold.ask() for _ in range(3)]
