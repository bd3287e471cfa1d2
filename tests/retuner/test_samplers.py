"""The samplers, through the live study: what is drawn, in which order, and that it can be taken up again."""

import pytest

from retuner.errors import UserError
from retuner.search.draws import grid_draw, grid_size, planned_trials, qmc_draw, random_draw
from retuner.search.space import validate_space
from retuner.search.states import TrialState
from retuner.search.study import LiveStudy, SearchPlan

SPACE = validate_space(
    {
        "rate": {"type": "float", "low": 0.01, "high": 1, "log": True},
        "leaves": {"type": "int", "low": 5, "high": 45, "step": 10},
        "share": {"type": "float", "low": 0, "high": 1, "step": 0.1},
        "kind": {"type": "categorical", "choices": ["a", "b", None]},
        "fixed": {"type": "categorical", "choices": [7]},
    }
)
DRAWN = ["random", "qmc", "grid"]


def run_trials(study: LiveStudy, count: int) -> list[dict]:
    """Ask and tell one after the other; the objective is the rate."""
    asked = []
    for _ in range(count):
        number, parameters = study.ask()
        asked.append(parameters)
        study.tell(number, TrialState.COMPLETED, parameters["rate"])
    return asked


@pytest.mark.parametrize("sampler", [*DRAWN, "tpe"])
def test_every_value_lies_in_the_space(sampler):
    for parameters in run_trials(LiveStudy(SearchPlan(SPACE, sampler=sampler)), 25):
        assert list(parameters) == sorted(SPACE)
        assert 0.01 <= parameters["rate"] <= 1
        assert parameters["leaves"] in (5, 15, 25, 35, 45)
        assert parameters["share"] == pytest.approx(round(parameters["share"], 1))
        assert parameters["kind"] in ("a", "b", None)
        assert parameters["fixed"] == 7


@pytest.mark.parametrize("sampler", [*DRAWN, "tpe"])
def test_no_trial_is_drawn_twice(sampler):
    trials = run_trials(LiveStudy(SearchPlan(SPACE, sampler=sampler)), 25)
    assert len({tuple(parameters.values()) for parameters in trials}) == 25


@pytest.mark.parametrize("sampler", [*DRAWN, "tpe"])
def test_the_seed_decides_the_trials(sampler):
    first, again, other = (
        run_trials(LiveStudy(SearchPlan(SPACE, sampler=sampler, seed=seed)), 14) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("sampler", DRAWN)
def test_drawn_trials_do_not_depend_on_the_order_in_which_trials_end(sampler):
    in_turn = run_trials(LiveStudy(SearchPlan(SPACE, sampler=sampler)), 6)
    study = LiveStudy(SearchPlan(SPACE, sampler=sampler))
    wave = [study.ask() for _ in range(6)]
    for number, _ in reversed(wave):
        study.tell(number, TrialState.FAILED)
    assert [parameters for _, parameters in wave] == in_turn


@pytest.mark.parametrize("make_draw", [random_draw, qmc_draw, grid_draw])
def test_a_draw_depends_on_the_number_alone(make_draw):
    draw = make_draw(SPACE, 0)
    in_turn = [draw(number) for number in range(8)]
    assert [make_draw(SPACE, 0)(5), draw(2), draw(7), draw(0)] == [in_turn[n] for n in (5, 2, 7, 0)]


@pytest.mark.parametrize("sampler", [*DRAWN, "tpe"])
def test_a_restored_study_goes_on_where_the_first_one_would_have(sampler):
    plan = SearchPlan(SPACE, sampler=sampler, stopping="none")
    unbroken = run_trials(LiveStudy(plan), 16)
    resumed = LiveStudy(plan)
    for parameters in unbroken[:12]:
        resumed.restore(parameters, TrialState.COMPLETED, value=parameters["rate"], reports=[])
    assert run_trials(resumed, 4) == unbroken[12:]


def test_tpe_comes_nearer_to_the_best_than_random_does():
    best = {
        sampler: max(p["rate"] for p in run_trials(LiveStudy(SearchPlan(SPACE, sampler=sampler)), 40)[20:])
        for sampler in ("random", "tpe")
    }
    assert best["tpe"] > best["random"]


def test_sixteen_qmc_points_fall_into_sixteen_equal_parts():
    space = validate_space({"x": {"type": "float", "low": 0, "high": 1}})
    filled = {}
    for sampler in ("qmc", "random"):
        study = LiveStudy(SearchPlan(space, sampler=sampler))
        filled[sampler] = len({int(16 * study.ask()[1]["x"]) for _ in range(16)})
    assert filled["qmc"] == 16 > filled["random"]


def test_a_grid_holds_every_combination_once_in_a_shuffled_order():
    draw = grid_draw(SPACE, 0)
    size = grid_size(SPACE)
    assert size == 3 * 3 * 3 * 3
    points = [tuple(draw(number).values()) for number in range(size)]
    assert len(set(points)) == size
    assert points != [tuple(grid_draw(SPACE, 1)(number).values()) for number in range(size)]


def test_a_study_has_no_more_trials_than_its_grid():
    assert planned_trials(SPACE, "grid", 1000) == 81
    assert planned_trials(SPACE, "grid", 5) == 5
    assert planned_trials(SPACE, "random", 1000) == 1000


def test_a_grid_beyond_reason_is_refused_with_its_size():
    space = validate_space({f"x{i}": {"type": "float", "low": 0, "high": 1} for i in range(20)})
    with pytest.raises(UserError, match="The grid has 3486784401 hyperparameter sets"):
        LiveStudy(SearchPlan(space, sampler="grid"))


def test_an_unknown_sampler_or_rule_is_named_with_the_known_ones():
    with pytest.raises(UserError, match="no sampler 'bayes': use one of tpe, random, qmc, grid"):
        LiveStudy(SearchPlan(SPACE, sampler="bayes"))
    with pytest.raises(UserError, match="no stopping rule 'bandit': use one of asha, median, none"):
        LiveStudy(SearchPlan(SPACE, stopping="bandit"))
