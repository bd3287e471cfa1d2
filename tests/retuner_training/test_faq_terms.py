"""The reference's n-grams: what is left out changes nothing that the trees could learn."""

import numpy as np
import pandas as pd
import pytest
from faq_tables import make_tables

from retuner_training.faq import terms
from retuner_training.faq.boosting import BoostedTrees
from retuner_training.faq.frames import pair_frame
from retuner_training.faq.terms import PairTerms

FRAME = pd.DataFrame(
    {
        "text_x": ["sort a list", "copy an array", "sort the array", "a list"],
        "text_y": ["how to sort arrays", "how to copy objects", "how to sort arrays", "how to copy objects"],
    }
)


def test_of_the_words_of_a_single_question_one_is_kept():
    fitted = PairTerms(least=1).fit(FRAME)
    kept = fitted.questions_.get_feature_names_out()[fitted.told_apart_]
    assert list(kept) == ["arrays", "copy", "how", "to"]
    assert fitted.transform(FRAME).shape[1] == len(fitted.get_feature_names_out())


def test_the_trees_are_the_same_as_with_all_words_of_the_questions(monkeypatch):
    tables = make_tables()
    pairs = tables["pairs"]
    of = (tables["texts"]["text"], tables["questions"]["text"])
    frame = pair_frame(*of, pairs["text"].to_numpy(), pairs["question"].to_numpy())
    matches = (pairs["n"] == 0).to_numpy()

    def scores():
        features = PairTerms(ngrams=2).fit_transform(frame, matches)
        trees = BoostedTrees(trees=30, min_child_samples=2, max_bin=15).fit(features, matches)
        return features.shape[1], trees.predict_proba(features)[:, 1]

    fewer, ours = scores()
    monkeypatch.setattr(terms, "_needed", lambda questions: np.arange(questions.shape[1]))
    more, theirs = scores()
    assert fewer < more
    assert ours == pytest.approx(theirs, abs=1e-9)
