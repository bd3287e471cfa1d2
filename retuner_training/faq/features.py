"""What a pair of a text and a question is judged by: similarities to the question and to its known duplicates."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from retuner_training.cache import fingerprint, once
from retuner_training.faq.frames import read_pairs
from retuner_training.faq.linear import Floats, Ints
from retuner_training.faq.scorer import LinearScorer
from retuner_training.faq.similarities import DIRECT, Similarities, of_unknown
from retuner_training.faq.training import Training
from retuner_training.faq.vectors import TextVectors, Vectors

NAMES = ("linear", *DIRECT, "nearest")
_MOST = 10
"""Nearest duplicates that are looked for even where fewer are wanted, so that one search serves all trials."""


class PairFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Similarities of a text and a question, each the higher the better they match.

    linear       log-probability of the question by a linear classifier of texts
    centroid_*   cosine with the sum of the question and its known duplicates (TF-IDF of words, of characters)
    words, ..    cosine with the question itself
    nearest      mean cosine (words) with the nearest known duplicates

    The pairs with y = 1 are the known duplicates. `fit_transform` differs from `fit` and `transform`: it leaves each
    text out of the duplicates that it is compared with, as every text is that the model is asked about later. A
    question that is not among the fitted ones is a question without duplicates.

    Two parts are kept for other trials (`retuner_training.cache`), each with the columns that it gives: the
    similarities, which depend on the n-grams alone, and the linear scorer. `neighbours` picks among columns.
    """

    def __init__(
        self,
        *,
        word_ngrams: int = 2,
        character_ngrams: int = 3,
        character_share: float = 0.5,
        dimensions: int = 1536,
        ridge: float = 1.0,
        steps: int = 4,
        neighbours: int = 3,
    ) -> None:
        self.word_ngrams = word_ngrams
        self.character_ngrams = character_ngrams
        self.character_share = character_share
        self.dimensions = dimensions
        self.ridge = ridge
        self.steps = steps
        self.neighbours = neighbours

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> "PairFeatures":  # noqa: N803 - scikit-learn's name
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: npt.ArrayLike, **_: Any) -> Floats:  # noqa: N803
        """Features of the training pairs: pairs x 6."""
        matches = np.asarray(y).astype(bool)
        ngrams = {"word_ngrams": self.word_ngrams, "character_ngrams": self.character_ngrams}
        most = max(self.neighbours, _MOST)
        linear = {name: getattr(self, name) for name in ("character_share", "dimensions", "ridge", "steps")}
        self.similar_key_ = fingerprint("similarities", X, matches, ngrams, most)
        self.linear_key_ = fingerprint("linear", X, matches, ngrams, linear)

        def fit_similarities() -> tuple[Training, TextVectors, Vectors, Similarities, Floats]:
            training, learner = Training.read(X, matches), TextVectors(**ngrams)
            vectors = learner.fit_transform(training.corpus)
            similarities = Similarities(vectors, training, most=most)
            columns = similarities.columns(vectors, training.text, training.question, training.own)
            return training, learner, vectors, similarities, columns

        def fit_linear() -> tuple[LinearScorer, Floats]:
            scorer = LinearScorer(**linear)
            return scorer, scorer.fit(vectors, training)

        kept = once(fit_similarities, self.similar_key_)
        training, self.vectors_, vectors, self.similarities_, similar = kept
        self.questions_ = training.questions
        self.scorer_, column = once(fit_linear, self.linear_key_)
        return self._features(column, similar)

    def transform(self, X: pd.DataFrame) -> Floats:  # noqa: N803
        """Features of pairs of any texts and questions: pairs x 6."""
        vectors, text, question, similar = once(lambda: self._similar(X), self.similar_key_, X)
        linear = once(lambda: self.scorer_.column(vectors, text, question), self.linear_key_, X)
        return self._features(linear, similar)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        return np.array(NAMES, dtype=object)

    def _similar(self, frame: pd.DataFrame) -> tuple[Vectors, Ints, Ints, Floats]:
        """Vectors of the texts; per pair the row of its text, its known question or -1, and its similarities."""
        pairs = read_pairs(frame, self.questions_)
        vectors, text = self.vectors_.transform(pairs.texts), pairs.text
        question = self.questions_.get_indexer(pd.Index(pairs.questions))[pairs.question]
        columns = self.similarities_.columns(vectors, text, question)
        unknown = np.flatnonzero(question < 0)
        if len(unknown):
            used, place = np.unique(pairs.question[unknown], return_inverse=True)
            questions = self.vectors_.transform(pairs.questions.iloc[used])
            columns[unknown, : len(DIRECT)] = of_unknown(vectors.rows(text[unknown]), questions.rows(place))
            columns[unknown, len(DIRECT) :] = 0
        return vectors, text, question, columns

    def _features(self, linear: Floats, similar: Floats) -> Floats:
        nearest = len(DIRECT) + self.neighbours - 1
        return np.column_stack([linear, similar[:, : len(DIRECT)], similar[:, nearest]])
