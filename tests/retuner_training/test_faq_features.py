"""Features of pairs: what is compared with what, and that no text sees its own label."""

import numpy as np
import pandas as pd
import pytest
from faq_tables import make_tables

from retuner_training.errors import InvalidInput
from retuner_training.faq.features import NAMES, PairFeatures
from retuner_training.faq.frames import pair_frame
from retuner_training.faq.ranker import recipe
from retuner_training.progress import Progress
from retuner_training.recipe import Resources

SIZE = {"dimensions": 64}


@pytest.fixture(scope="module")
def tables():
    return make_tables()


@pytest.fixture(scope="module")
def training(tables):
    """Frame and labels of the training pairs."""
    pairs = tables["pairs"]
    of = (tables["texts"]["text"], tables["questions"]["text"])
    frame = pair_frame(*of, pairs["text"].to_numpy(), pairs["question"].to_numpy())
    return frame, (pairs["n"] == 0).to_numpy()


@pytest.fixture(scope="module")
def fitted(training):
    return PairFeatures(**SIZE).fit(*training)


def test_a_training_row_does_not_change_when_its_text_is_no_longer_a_known_duplicate(training):
    frame, matches = training
    row = int(np.flatnonzero(matches)[10])
    others = matches.copy()
    others[row] = False
    same_text = (frame["text_x"] == frame["text_x"].iloc[row]).to_numpy()
    before, after = (PairFeatures(**SIZE).fit_transform(frame, y) for y in (matches, others))
    assert after[same_text] == pytest.approx(before[same_text], abs=2e-5)
    # the text was known to others, so the features of its neighbours do change
    assert np.abs(after[~same_text] - before[~same_text]).max() > 1e-3


def test_a_new_text_is_compared_with_all_known_duplicates(training, fitted):
    """As a question, the text of a training row is compared with itself too."""
    frame, matches = training
    left_out = PairFeatures(**SIZE).fit_transform(*training)[matches]
    seen = fitted.transform(frame[matches])
    nearest, centroid, direct = (NAMES.index(name) for name in ("nearest", "centroid_words", "words"))
    assert (seen[:, nearest] > left_out[:, nearest]).all()
    assert (seen[:, centroid] > left_out[:, centroid]).all()
    assert seen[:, direct] == pytest.approx(left_out[:, direct], abs=1e-5)


def test_pairs_that_do_not_match_are_seen_alike_in_training_and_later(training, fitted):
    """Leaving out concerns the own question; the linear scorer differs, because it has not seen the fold."""
    frame, matches = training
    columns = [number for number, name in enumerate(NAMES) if name != "linear"]
    first = PairFeatures(**SIZE).fit_transform(*training)[~matches]
    later = fitted.transform(frame[~matches])
    assert first[:, columns] == pytest.approx(later[:, columns], abs=1e-5)


def test_fit_and_fit_transform_learn_the_same(training, fitted):
    other = PairFeatures(**SIZE)
    other.fit_transform(*training)
    frame = training[0].iloc[:50]
    assert (other.transform(frame) == fitted.transform(frame)).all()


def shuffled(tables):
    """The same texts and questions, every text given to a question at random."""
    random, questions = np.random.default_rng(0), len(tables["questions"])
    texts, pairs = tables["texts"].copy(), tables["pairs"].copy()
    before = texts["question"].to_numpy()
    texts["question"] = after = random.permutation(before)
    moved = (after - before)[pairs["text"]]
    pairs["question"] = ((pairs["question"] + moved) % questions).astype(np.int32)
    return {**tables, "texts": texts, "pairs": pairs}


def test_with_shuffled_labels_the_model_scores_at_chance(tables):
    gain = []
    for data in (tables, shuffled(tables)):
        model = recipe.fit(data, {**SIZE, "trees": 20}, Progress(), Resources())
        gain.append(recipe.score(model, data, "tune")["gain@1"].mean())
    rows, chance = int((tables["texts"]["part"] == "tune").sum()), 1 / len(tables["questions"])
    assert gain[0] > 0.6
    assert gain[1] < chance + 3 * np.sqrt(chance * (1 - chance) / rows)


def test_with_shuffled_labels_no_feature_tells_the_own_question_in_training(training):
    """The leak as such: a feature that knew the label would separate the matching pairs."""
    frame, matches = training
    random = np.random.default_rng(1)
    width = int(np.flatnonzero(matches)[1])
    shuffled = np.concatenate([random.permutation(row) for row in matches.reshape(-1, width)])
    features = PairFeatures(**SIZE).fit_transform(frame, shuffled).reshape(-1, width, len(NAMES))
    own = features[shuffled.reshape(-1, width)][:, None, :]
    ahead = ((own > features).mean(axis=(0, 1)) + (own == features).mean(axis=(0, 1)) / 2).ravel()
    # rows x columns are far from independent, so the bound is wide; a leak gives nearly 1
    assert (ahead < 0.6).all(), dict(zip(NAMES, ahead, strict=True))


def test_raw_texts_are_cleaned_by_the_pipeline(training, fitted):
    frame = training[0].iloc[:20].astype("str")
    raw = pd.DataFrame({name: "<p>" + frame[name].str.upper() + "&nbsp;</p>" for name in frame})
    assert (fitted.transform(raw) == fitted.transform(frame)).all()


def test_the_order_of_the_pairs_does_not_matter(training, fitted):
    frame = training[0].iloc[:200]
    order = np.random.default_rng(0).permutation(len(frame))
    assert fitted.transform(frame.iloc[order]) == pytest.approx(fitted.transform(frame)[order], abs=1e-6)


def test_blocks_of_texts_do_not_change_the_features(training, fitted, monkeypatch):
    frame = training[0].iloc[:200]
    whole = fitted.transform(frame)
    monkeypatch.setattr("retuner_training.faq.linear._CELLS", 400)
    assert fitted.transform(frame) == pytest.approx(whole, abs=1e-5)


def test_a_question_that_is_not_known_is_compared_by_its_text(tables, fitted):
    frame = pd.DataFrame(
        {"text_x": ["when can zubazu not kirilu", "how do i"], "text_y": ["when can zubazu kirilu"] * 2}
    )
    like, unlike = fitted.transform(frame)
    assert np.isfinite([like, unlike]).all()
    for name in ("words", "characters", "centroid_words", "centroid_characters"):
        assert like[NAMES.index(name)] > unlike[NAMES.index(name)]
    known = pd.DataFrame({"text_x": ["how do i"] * len(tables["questions"]), "text_y": tables["questions"]["text"]})
    assert unlike[NAMES.index("linear")] <= fitted.transform(known)[:, NAMES.index("linear")].min() + 1e-6


def test_a_text_without_any_known_word_has_features(fitted, tables):
    question = tables["questions"]["text"].iloc[0]
    frame = pd.DataFrame({"text_x": ["", "\u4f60\u597d", None], "text_y": [question, question, None]})
    assert np.isfinite(fitted.transform(frame)).all()


def test_missing_columns_are_named(fitted):
    with pytest.raises(InvalidInput, match="text_y"):
        fitted.transform(pd.DataFrame({"text_x": ["a"], "text": ["b"]}))


def test_pairs_without_a_match_are_refused(training):
    with pytest.raises(InvalidInput, match="No pair matches"):
        PairFeatures().fit(training[0], np.zeros(len(training[0])))
