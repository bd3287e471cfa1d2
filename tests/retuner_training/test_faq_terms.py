"""The reference's n-grams: what is left out changes nothing that the trees could learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
from faq_tables import make_tables
from sklearn.feature_extraction.text import TfidfVectorizer

from retuner_training.cache import shared_work
from retuner_training.errors import InvalidInput
from retuner_training.faq import terms
from retuner_training.faq.boosting import BoostedTrees
from retuner_training.faq.frames import cross_frames, pair_frame
from retuner_training.faq.terms import PairTerms

FRAME = pd.DataFrame(
    {
        "text_x": ["sort a list", "copy an array", "sort the array", "a list"],
        "text_y": ["how to sort arrays", "how to copy objects", "how to sort arrays", "how to copy objects"],
    }
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RETUNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def vectorised(monkeypatch):
    """The lists of texts that are vectorised, in order."""
    seen, count = [], TfidfVectorizer._count_vocab

    def noting(self, raw_documents, fixed_vocab):
        seen.append(list(raw_documents))
        return count(self, raw_documents, fixed_vocab)

    monkeypatch.setattr(TfidfVectorizer, "_count_vocab", noting)
    return seen


def features(tables, *, ngrams=2, match=8, part="tune"):
    """Those of a trial's training pairs, and of every text of another part with every question."""
    texts, questions = tables["texts"], tables["questions"]["text"]
    pairs = tables["pairs"][tables["pairs"]["n"] < match]
    frame = pair_frame(texts["text"], questions, pairs["text"].to_numpy(), pairs["question"].to_numpy())
    learner = PairTerms(ngrams=ngrams)
    found = [learner.fit_transform(frame, (pairs["n"] == 0).to_numpy())]
    others = texts.loc[texts["part"] == part, "text"]
    return found + [learner.transform(frame) for _, frame in cross_frames(others, questions)]


def bits(matrices):
    return [(one.shape, one.data.tobytes(), one.indices.tobytes(), one.indptr.tobytes()) for one in matrices]


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


def test_trials_with_the_same_ngrams_vectorise_each_text_once(folder, vectorised):
    tables = make_tables()
    with shared_work(threads=1):
        features(tables)
        assert vectorised
        vectorised.clear()
        for match in (8, 3):
            features(tables, match=match)
        assert vectorised == []
        features(tables, ngrams=1)
        assert vectorised


@pytest.mark.parametrize("match", [8, 3])
def test_shared_texts_give_the_same_features_bit_for_bit(folder, match):
    tables = make_tables()
    with shared_work(threads=1):
        features(tables)
        shared = features(tables, match=match)
    assert bits(shared) == bits(features(tables, match=match))


@pytest.mark.parametrize("table", ["texts", "questions"])
def test_other_texts_or_questions_are_vectorised_anew(folder, table):
    tables = make_tables()
    changed = tables[table].assign(text=tables[table]["text"] + " bado")
    with shared_work(threads=1):
        features(tables)
        shared = features({**tables, table: changed})
    assert bits(shared) == bits(features({**tables, table: changed}))


def test_another_part_is_compared_by_the_vocabulary_of_its_own_trial(folder):
    """The same texts have other rows after other n-grams were learnt."""
    tables = make_tables()
    with shared_work(threads=1):
        widths = [features(tables, ngrams=ngrams)[1].shape[1] for ngrams in (1, 3)]
    assert widths == [features(tables, ngrams=ngrams)[1].shape[1] for ngrams in (1, 3)]
    assert widths[0] < widths[1]


def test_what_is_kept_adds_nothing_to_a_saved_model(folder):
    with shared_work(threads=1):
        PairTerms(least=1).fit(FRAME)
        fitted = PairTerms(least=1).fit(FRAME)
    without = PairTerms(least=1).fit(FRAME)
    expected = bits([without.transform(FRAME)])
    assert len(pickle.dumps(fitted)) <= len(pickle.dumps(without))
    saved = pickle.loads(pickle.dumps(fitted))
    for entry in folder.glob("*"):
        entry.unlink()
    with shared_work(threads=1):
        assert bits([saved.transform(FRAME)]) == expected
    assert not list(folder.glob("*")), "what was saved names nothing that is kept"


def test_texts_without_a_word_are_refused_wherever_work_is_shared(folder):
    frame = FRAME.assign(text_x="?")
    with shared_work(threads=1), pytest.raises(InvalidInput, match="share no words to learn from"):
        PairTerms().fit(frame)
    assert not list(folder.glob("*"))
