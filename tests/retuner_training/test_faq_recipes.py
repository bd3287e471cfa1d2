"""Both FAQ recipes from tables to answers."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from faq_tables import make_tables
from sklearn.base import clone

from retuner_training.errors import InvalidInput, StopTraining
from retuner_training.progress import Progress
from retuner_training.recipe import Resources, load_recipe
from retuner_training.split import keys

QUICK = {
    "faq_ranker": {"trees": 15, "dimensions": 64},
    "faq_reference": {"trees": 300, "match": 8, "min_child_samples": 5, "weighted": False},
}
STEPS = {"faq_ranker": [5, 10, 15], "faq_reference": [100, 200, 300]}


@pytest.fixture(scope="module")
def tables():
    return make_tables(noise=0.1)


@pytest.fixture(scope="module", params=["faq_ranker", "faq_reference"])
def trained(request, tables):
    """Recipe, model, progress."""
    recipe, progress = load_recipe(request.param), Progress()
    return recipe, recipe.fit(tables, QUICK[request.param], progress, Resources()), progress


def test_the_last_report_is_the_score_of_the_tune_part(trained, tables):
    recipe, model, progress = trained
    assert [step for step, _ in progress.reports] == STEPS[recipe.name]
    scored = recipe.score(model, tables, "tune")
    assert progress.reports[-1][1] == pytest.approx(scored[recipe.objective.metric].mean())


def test_the_tune_part_is_scored_once(trained, tables):
    """What the reports found is what scoring every pair anew finds, and serves that part alone."""
    recipe, model, _ = trained
    anew = pickle.loads(pickle.dumps(model))
    assert model.tuned is not None
    assert anew.tuned is None
    pd.testing.assert_frame_equal(recipe.score(model, tables, "tune"), recipe.score(anew, tables, "tune"))
    texts = tables["texts"].assign(question=(tables["texts"]["question"] + 1) % len(tables["questions"]))
    moved = {**tables, "texts": texts}
    pd.testing.assert_frame_equal(recipe.score(model, moved, "tune"), recipe.score(anew, moved, "tune"))


def test_reports_on_a_sample_of_the_texts_are_not_taken_for_the_score(tables, monkeypatch):
    monkeypatch.setattr("retuner_training.faq.base._REPORT_PAIRS", 10 * len(tables["questions"]))
    recipe = load_recipe("faq_ranker")
    model = recipe.fit(tables, QUICK["faq_ranker"], Progress(), Resources())
    assert model.tuned is None
    assert len(recipe.score(model, tables, "tune")) > 10


def test_the_model_learns(trained, tables):
    recipe, model, _ = trained
    means = recipe.score(model, tables, "test")[list(recipe.metrics)].mean()
    least = {"faq_ranker": 0.6, "faq_reference": 0.3}[recipe.name]
    assert means["gain@1"] > least
    assert means.is_monotonic_increasing


def test_scores_name_the_texts(trained, tables):
    recipe, model, _ = trained
    scored = recipe.score(model, tables, "test")
    test = tables["texts"][tables["texts"]["part"] == "test"]
    assert scored["key"].tolist() == test["key"].tolist()
    assert scored["known"].all()
    assert list(scored) == [*recipe.metrics, "key", "known"]


def test_a_question_that_the_model_does_not_know_is_a_miss(trained, tables):
    recipe, model, _ = trained
    questions = tables["questions"].copy()
    questions.loc[3, "text"] = "what is new"
    questions["key"] = keys(questions["text"])
    scored = recipe.score(model, {**tables, "questions": questions}, "test")
    of_it = (tables["texts"].loc[tables["texts"]["part"] == "test", "question"] == 3).to_numpy()
    assert (~scored["known"]).tolist() == of_it.tolist()
    assert (scored.loc[of_it, list(recipe.metrics)] == 0).all().all()
    assert scored.loc[~of_it, "gain@1"].mean() > 0.3


def test_questions_are_known_by_their_text_and_not_by_their_position(trained, tables):
    recipe, model, _ = trained
    order = np.random.default_rng(0).permutation(len(tables["questions"]))
    texts = tables["texts"].assign(question=np.argsort(order)[tables["texts"]["question"]])
    moved = {**tables, "questions": tables["questions"].iloc[order].reset_index(drop=True), "texts": texts}
    pd.testing.assert_frame_equal(recipe.score(model, moved, "test"), recipe.score(model, tables, "test"))


def test_seen_are_the_texts_of_train_and_tune(trained, tables):
    parts = tables["texts"].set_index("key")["part"]
    seen = trained[0].seen(tables)
    assert seen.dtype == np.uint64
    assert set(seen) == set(parts.index[parts != "test"])


def test_the_same_parameters_give_the_same_values(trained, tables):
    recipe, model, progress = trained
    again = Progress()
    other = recipe.fit(tables, QUICK[recipe.name], again, Resources())
    assert again.reports == progress.reports
    frame = pd.DataFrame({"text_x": tables["texts"]["text"].head(20), "text_y": tables["questions"]["text"].iloc[0]})
    assert (other.predict_proba(frame) == model.predict_proba(frame)).all()


def test_answers_are_the_questions_as_written_best_first(trained, tables):
    recipe, model, _ = trained
    question = tables["questions"].iloc[4]
    answers = recipe.answer(model, question["shown"].upper(), top=3)
    probabilities = [answer["probability"] for answer in answers]
    assert len(answers) == 3
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= probability <= 1 for probability in probabilities)
    if recipe.name == "faq_ranker":
        best = answers[0]
        assert (best["id"], best["question"], best["answer"]) == (104, question["shown"], "Answer 4.")


@pytest.mark.parametrize(("text", "top", "words"), [("  ", 3, "empty"), ("how", 0, "at least 1")])
def test_a_question_that_cannot_be_answered_is_refused(trained, text, top, words):
    recipe, model, _ = trained
    with pytest.raises(InvalidInput, match=words):
        recipe.answer(model, text, top=top)


def test_the_model_answers_the_same_in_another_process(trained, tmp_path):
    recipe, model, _ = trained
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).answer('how do i bado', top=2))"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "model")], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(recipe.answer(model, "how do i bado", top=2))


def test_the_pipeline_fits_plain_frames_of_texts(trained, tables):
    """As a person would use it, without tables."""
    recipe, _, _ = trained
    texts, questions = tables["texts"]["text"], tables["questions"]["text"]
    pairs = tables["pairs"]
    frame = pd.DataFrame(
        {
            "text_x": texts.to_numpy()[pairs["text"]],
            "text_y": questions.to_numpy()[pairs["question"]],
        }
    )
    pipeline = clone(recipe.pipeline(QUICK[recipe.name], Resources())).fit(frame, pairs["n"] == 0)
    assert pipeline.predict_proba(frame.head(7)).shape == (7, 2)


def test_a_stop_ends_the_training_at_the_next_report(trained, tables):
    recipe, _, _ = trained
    progress = Progress()
    progress = Progress(stop_asked=lambda: len(progress.reports) == 2)
    with pytest.raises(StopTraining):
        recipe.fit(tables, QUICK[recipe.name], progress, Resources())
    assert [step for step, _ in progress.reports] == STEPS[recipe.name][:2]


def test_the_search_space_holds_only_hyperparameters_that_the_recipe_takes(trained):
    recipe, _, _ = trained
    for bound in ("low", "high"):
        values = {
            name: dimension[bound] if bound in dimension else dimension["choices"][0]
            for name, dimension in recipe.search_space.items()
        }
        recipe.pipeline(values, Resources())
        recipe.pipeline(recipe.final_parameters(values), Resources())


def test_the_final_training_has_more_trees(trained):
    recipe, _, _ = trained
    assert recipe.final_parameters({"trees": 100})["trees"] > 100


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"tree": 3}, "no hyperparameter 'tree'.*trees"),
        ({"trees": 0}, "trees .* is 0: it must be a whole number from 1"),
        ({"trees": 2.5}, "trees .* is 2.5"),
        ({"trees": "many"}, "trees .* is 'many'"),
        ({"trees": True}, "trees .* is True"),
        ({"min_child_samples": -1}, "min_child_samples .* is -1"),
    ],
)
def test_impossible_hyperparameters_are_named(trained, parameters, words):
    with pytest.raises(InvalidInput, match=words):
        trained[0].pipeline(parameters, Resources())


def test_whether_the_reference_weighs_is_true_or_false():
    with pytest.raises(InvalidInput, match=r"weighted .* true or false"):
        load_recipe("faq_reference").pipeline({"weighted": 1}, Resources())


def test_an_empty_part_is_refused(trained, tables):
    recipe, model, _ = trained
    texts = tables["texts"][tables["texts"]["part"] != "test"]
    with pytest.raises(InvalidInput, match="no text in its test part"):
        recipe.score(model, {**tables, "texts": texts}, "test")


def test_mistakes_are_texts_whose_question_is_not_the_best_with_those_that_are(trained, tables):
    recipe, model = trained[0], trained[1]
    scores = recipe.score(model, tables, "test")
    found = recipe.mistakes(model, tables, scores, part="test", most=5)
    assert 0 < len(found) <= 5
    shown = set(tables["questions"]["shown"])
    for one in found:
        assert one["place"] > 1
        assert one["expected"] in shown
        assert one["preferred"][0]["answer"] != one["expected"]
        assert len(one["preferred"]) == 3
        probabilities = [candidate["probability"] for candidate in one["preferred"]]
        assert probabilities == sorted(probabilities, reverse=True)
    assert recipe.mistakes(model, tables, scores, part="test", most=2) == found[:2]
    assert recipe.mistakes(model, tables, scores.assign(**{"gain@1": 1.0}), part="test", most=5) == []
