"""The search space: overrides, faults, and the values that its dimensions allow."""

import json
import math

import pytest

from retuner.errors import UserError
from retuner.search.space import from_unit, grid_values, validate_space

RECIPE = {
    "rate": {"type": "float", "low": 0.01, "high": 1, "log": True},
    "leaves": {"type": "int", "low": 5, "high": 50, "step": 10},
    "kind": {"type": "categorical", "choices": ["ranker", "classifier"]},
}


def test_the_recipe_alone_gives_every_field_sorted_by_name():
    space = validate_space(RECIPE)
    assert list(space) == ["kind", "leaves", "rate"]
    assert space["rate"] == {"type": "float", "low": 0.01, "high": 1.0, "log": True, "step": None}
    assert json.loads(json.dumps(space)) == space


def test_a_range_that_the_step_does_not_divide_ends_at_its_last_step():
    assert validate_space(RECIPE)["leaves"]["high"] == 45


def test_an_override_keeps_what_it_does_not_name():
    rate = validate_space(RECIPE, {"rate": {"high": 0.5}})["rate"]
    assert (rate["low"], rate["high"], rate["log"]) == (0.01, 0.5, True)


@pytest.mark.parametrize("override", [[1, 2, 2], {"choices": [1, 2]}, {"type": "categorical", "choices": [1.0, 2]}])
def test_a_list_becomes_choices_of_the_dimensions_type(override):
    assert validate_space(RECIPE, {"leaves": override})["leaves"] == {"type": "categorical", "choices": [1, 2]}


def test_one_value_is_fixed_even_outside_the_recipes_range():
    assert validate_space(RECIPE, {"leaves": 1000})["leaves"]["choices"] == [1000]
    assert validate_space(RECIPE, {"kind": "ranker"})["kind"]["choices"] == ["ranker"]


def test_true_and_one_are_different_choices():
    space = validate_space({"a": {"type": "categorical", "choices": [1, True, 1, None]}})
    assert [repr(choice) for choice in space["a"]["choices"]] == ["1", "True", "None"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"rate": {"low": 2}}, r"rate: the range is upside down: low = 2.0 is above high = 1.0"),
        ({"rate": {"low": 0}}, r"rate: a logarithmic range must begin above 0, and low = 0.0"),
        ({"rate": {"low": "small"}}, r"rate: low = 'small' must be a number"),
        ({"rate": {"low": math.nan}}, r"rate: low = nan must be a number"),
        ({"rate": {"maximum": 1}}, r"rate: unknown field maximum \(known: low, high, log, step, choices\)"),
        ({"rate": {"step": 0.1}}, r"rate: log and step exclude each other"),
        ({"rate": "fast"}, r"rate: value = 'fast' must be a number"),
        ({"rate": {"log": "yes"}}, r"rate: log = 'yes' must be true or false"),
        ({"leaves": {"low": 1.5}}, r"leaves: low = 1.5 must be a whole number"),
        ({"leaves": {"step": -1}}, r"leaves: step = -1 must be above 0"),
        ({"leaves": {"choices": [1], "low": 2}}, r"leaves: 'choices' cannot go together with low"),
        ({"leaves": []}, r"leaves: the list of choices is empty"),
        ({"kind": {"choices": []}}, r"kind: the list of choices is empty"),
        ({"kind": {"low": 1}}, r"kind: it is chosen from \['ranker', 'classifier'\]"),
        ({"kind": [["a"]]}, r"kind: the choice \['a'\] must be a text"),
        ({"trees": 5}, r"there is no hyperparameter 'trees' \(known: kind, leaves, rate\)"),
    ],
)
def test_a_wrong_override_is_named_with_its_value(override, words):
    with pytest.raises(UserError, match=words):
        validate_space(RECIPE, override)


def test_all_faults_are_told_at_once():
    with pytest.raises(UserError, match=r"'trees'.*kind: .*rate: "):
        validate_space(RECIPE, {"trees": 1, "rate": {"low": 9}, "kind": []})


def test_a_recipe_of_an_unknown_type_is_a_fault_too():
    with pytest.raises(UserError, match="a: its type is 'integer'; use int, float or categorical"):
        validate_space({"a": {"type": "integer", "low": 1, "high": 2}})


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        ({"type": "int", "low": 1, "high": 3}, {1, 2, 3}),
        ({"type": "int", "low": 1, "high": 4, "log": True}, {1, 2, 3, 4}),
        ({"type": "int", "low": 5, "high": 45, "step": 20}, {5, 25, 45}),
        ({"type": "float", "low": 0, "high": 0.5, "step": 0.25}, {0.0, 0.25, 0.5}),
        ({"type": "categorical", "choices": ["a", "b"]}, {"a", "b"}),
    ],
)
def test_the_unit_interval_covers_exactly_the_dimension(dimension, values):
    checked = validate_space({"a": dimension})["a"]
    assert {from_unit(checked, index / 1000) for index in range(1000)} == values


def test_logarithmic_ranges_are_even_on_the_logarithm():
    rate = validate_space(RECIPE)["rate"]
    assert from_unit(rate, 0.5) == pytest.approx(0.1)
    assert grid_values(rate, 3) == pytest.approx([0.01, 0.1, 1.0])


def test_a_grid_keeps_to_steps_and_to_the_number_of_whole_values():
    assert grid_values(validate_space(RECIPE)["leaves"], 3) == [5, 25, 45]
    assert grid_values(validate_space({"a": {"type": "int", "low": 1, "high": 2}})["a"], 3) == [1, 2]
    assert grid_values(validate_space({"a": {"type": "float", "low": 0, "high": 1}})["a"], 3) == [0.0, 0.5, 1.0]
