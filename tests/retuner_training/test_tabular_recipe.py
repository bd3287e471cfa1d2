"""The recipe `tabular`: what it learns, what it reports, and how its model takes what was not there in training."""

import json

import numpy as np
import pandas as pd
import pytest
from tabular_tables import make_customers

from retuner_training.errors import InvalidInput, StopTraining
from retuner_training.progress import Progress
from retuner_training.recipe import Resources, load_recipe
from retuner_training.tabular.columns import MOST_CATEGORIES, Columns

RECIPE = load_recipe("tabular")
PARAMETERS = {"trees": 60, "num_leaves": 8, "min_child_samples": 5}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "customers.parquet"
    make_customers(1500).to_parquet(file)
    return RECIPE.prepare(file, {"target_column": "churned", "split_seed": 0, "faulty_rows": "refuse"})[0]


@pytest.fixture(scope="module")
def trained(tables):
    progress = Progress()
    return RECIPE.fit(tables, PARAMETERS, progress, Resources()), progress.reports


@pytest.fixture(scope="module")
def model(trained):
    return trained[0]


def test_it_learns_from_categories_and_beats_the_shares_of_the_classes(model, tables):
    scores = RECIPE.score(model, tables, "test")
    shares = tables["examples"]["target"].value_counts(normalize=True)
    assert scores["log_loss"].mean() < 0.5 * -(shares * np.log(shares)).sum()
    assert scores["accuracy"].mean() > 0.9
    assert scores["key"].dtype == np.uint64
    assert scores["known"].all()


def test_the_reports_fall_and_the_last_one_is_the_objective(trained, tables):
    model, reports = trained
    assert [step for step, _ in reports] == [10, 20, 30, 40, 50, 60]
    values = [value for _, value in reports]
    assert values[-1] < values[0]
    assert RECIPE.objective.direction == "minimize"
    assert RECIPE.score(model, tables, "tune")["log_loss"].mean() == pytest.approx(values[-1], rel=1e-6)


def test_the_same_seed_gives_the_same_model(model, tables):
    again = RECIPE.fit(tables, PARAMETERS, Progress(), Resources())
    rows = tables["features"].head(50)
    assert np.array_equal(again.predict_proba(rows), model.predict_proba(rows))


def test_a_stop_ends_the_training(tables):
    with pytest.raises(StopTraining):
        RECIPE.fit(tables, PARAMETERS, Progress(stop_asked=lambda: True), Resources())


def test_unknown_categories_and_missing_values_are_scored_alike(model):
    rows = pd.DataFrame({"age": [30.0] * 3, "plan": ["new", None, float("nan")], "city": "Oslo", "paid": True})
    probabilities = model.predict_proba(rows)
    assert probabilities.shape == (3, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert np.array_equal(probabilities[0], probabilities[1])
    assert np.array_equal(probabilities[0], probabilities[2])


def test_columns_are_found_by_name_and_types_may_be_others(model):
    rows = pd.DataFrame({"paid": ["True"], "more": [1], "plan": ["pro"], "city": ["Lund"], "age": ["44"]})
    same = pd.DataFrame({"age": [44], "plan": ["pro"], "city": ["Lund"], "paid": [True]})
    assert np.array_equal(model.predict_proba(rows), model.predict_proba(same))


def test_a_row_that_cannot_be_scored_is_told(model):
    with pytest.raises(InvalidInput, match="lack the column 'city', 'paid'"):
        model.predict_proba(pd.DataFrame({"age": [1], "plan": ["pro"]}))
    with pytest.raises(InvalidInput, match="'age' must hold numbers, but row 0 has 'old'"):
        model.predict_proba(pd.DataFrame({"age": ["old"], "plan": "pro", "city": "Lund", "paid": True}))


def test_a_class_that_the_model_does_not_know_is_a_miss(model, tables):
    examples = tables["examples"].assign(target="other")
    scores = RECIPE.score(model, {**tables, "examples": examples}, "test")
    assert not scores["known"].any()
    assert (scores["accuracy"] == 0).all()
    assert np.isfinite(scores["log_loss"]).all()


def test_of_many_categories_the_most_frequent_are_learnt():
    values = [f"v{number}" for number in range(MOST_CATEGORIES + 50)] + ["v299"] * 3
    columns = Columns().fit(pd.DataFrame({"id": values}))
    assert len(columns.categories_["id"]) == MOST_CATEGORIES
    assert "v299" in columns.categories_["id"]


def test_values_that_the_model_has_never_learnt_are_told(model, caplog):
    row = {"plan": "platinum", "paid": True, "city": None}
    unknown = RECIPE.answer(model, json.dumps(row), top=1)
    assert caplog.messages == [
        "The model has not learnt the value 'platinum' of the column 'plan': it counts as missing."
    ]
    caplog.clear()
    assert RECIPE.answer(model, json.dumps({**row, "plan": None}), top=1) == unknown
    rows = pd.DataFrame(
        {"age": [1.0] * 3, "plan": ["x", "basic", "y"], "city": ["Rome", "Oslo", None], "paid": [1, 0, 1]}
    )
    model.predict_proba(rows)
    assert ["'x', 'y'" in caplog.messages[0], "'Rome' of the column 'city'" in caplog.messages[1]] == [True, True]
    caplog.clear()
    model.scores(rows, pd.Series(["yes", "no", "no"]))
    assert caplog.messages == [], "a search has one line a trial, not one a score"


def test_an_answer_ranks_the_classes_of_a_row(model):
    answers = RECIPE.answer(model, json.dumps({"plan": "gift", "paid": True}), top=2)
    assert answers[0]["class"] == "yes"
    assert answers[0]["probability"] > answers[1]["probability"]
    assert len(answers) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("how old", r'is not JSON .* such as \{"age": \.\.\}'),
        ("[1]", "must be a JSON object"),
        ('{"colour": 1}', "knows no column 'colour': it knows age, plan, city, paid"),
        ('{"age": [1]}', "'age' of the row must hold one value"),
        ('{"age": "old"}', "must hold numbers"),
    ],
)
def test_a_question_that_is_no_row_is_told(model, text, words):
    with pytest.raises(InvalidInput, match=words):
        RECIPE.answer(model, text, top=1)


def test_unknown_and_impossible_hyperparameters_are_told():
    with pytest.raises(InvalidInput, match="tabular has no hyperparameter 'depth'"):
        RECIPE.pipeline({"depth": 3}, Resources())
    with pytest.raises(InvalidInput, match="column_share"):
        RECIPE.pipeline({"column_share": 2}, Resources())


def test_the_final_training_has_twice_the_trees_at_half_the_rate():
    assert RECIPE.final_parameters({"trees": 70, "learning_rate": 0.2}) == {"trees": 140, "learning_rate": 0.1}


def test_the_sample_is_real_data_that_is_learnt_well(tmp_path):
    RECIPE.sample(tmp_path)
    (file,) = tmp_path.iterdir()
    tables, statistics = RECIPE.prepare(file, {"split_seed": 0, "faulty_rows": "refuse"})
    assert statistics["classes"] == {"benign": 357, "malignant": 212}
    model = RECIPE.fit(tables, {"trees": 100}, Progress(), Resources())
    assert RECIPE.score(model, tables, "tune")["accuracy"].mean() > 0.9
    signature = RECIPE.signature(statistics)
    assert len(signature["inputs"]) == 30
    assert [output["name"] for output in signature["output"]] == ["benign", "malignant"] == list(model.classes)


def test_mistakes_are_rows_whose_class_is_not_the_likeliest(model, tables):
    scores = RECIPE.score(model, tables, "test")
    found = RECIPE.mistakes(model, tables, scores, part="test", most=3)
    assert 0 < len(found) <= 3
    for one in found:
        assert one["place"] > 1
        assert one["preferred"][0]["answer"] != one["expected"]
        assert all(name in one["given"] for name in tables["features"].columns)
