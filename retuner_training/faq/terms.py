"""The reference's features: the TF-IDF of a text beside the TF-IDF of a question."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer

from retuner_training.cache import fingerprint, once
from retuner_training.errors import InvalidInput
from retuner_training.faq.frames import TextPairs, read_pairs


class PairTerms(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF of n-grams of words; each distinct text is vectorised once and its row repeated for its pairs.

    LightGBM's cost grows with the number of n-grams, so two kinds are left out: those of texts that fewer than `least`
    texts hold (or a share of 1 in 500), which the trees hardly use; and all but one of those that a single question
    holds, since each of them tells that question from all others and nothing else.

    The vocabularies and the rows of distinct texts depend on the texts and the n-grams alone, and are kept for other
    trials (`retuner_training.cache`); which pairs are made of them is the trial's own.
    """

    _kept: str | None = None
    """Names the vocabularies among what is kept for other trials; not saved."""

    def __init__(self, *, ngrams: int = 1, least: int = 8) -> None:
        self.ngrams = ngrams
        self.least = least

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike | None = None) -> "PairTerms":  # noqa: N803 - scikit-learn's name
        return self._fit(read_pairs(X))

    def fit_transform(self, X: pd.DataFrame, y: npt.ArrayLike | None = None, **_: Any) -> sparse.csr_matrix:  # noqa: N803
        """As `fit` and `transform`; the texts are cleaned once."""
        pairs = read_pairs(X)
        return self._fit(pairs)._rows(pairs)

    def transform(self, X: pd.DataFrame) -> sparse.csr_matrix:  # noqa: N803
        """Pairs x (n-grams of texts + n-grams of questions)."""
        return self._rows(read_pairs(X))

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """text0, text1, .., question0, ..: the n-grams themselves may hold signs that LightGBM refuses."""
        sizes = (("text", len(self.texts_.vocabulary_)), ("question", len(self.told_apart_)))
        return np.array([f"{side}{number}" for side, size in sizes for number in range(size)], dtype=object)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_kept"}

    def _fit(self, pairs: TextPairs) -> "PairTerms":
        shared = {"ngram_range": (1, self.ngrams), "dtype": np.float32}
        least = min(self.least, max(1, len(pairs.texts) // 500))

        def learn() -> tuple[TfidfVectorizer, TfidfVectorizer, npt.NDArray[np.intp]]:
            texts, questions = TfidfVectorizer(min_df=least, **shared), TfidfVectorizer(**shared)
            try:
                texts.fit(pairs.texts)
                return texts, questions, _needed(questions.fit_transform(pairs.questions).tocsc())
            except ValueError as error:  # the vocabulary is empty
                raise InvalidInput(f"The {len(pairs.texts)} texts share no words to learn from: {error}.") from error

        self._kept = fingerprint("terms", pairs.texts, pairs.questions, self.ngrams, least)
        self.texts_, self.questions_, self.told_apart_ = once(learn, self._kept)
        return self

    def _rows(self, pairs: TextPairs) -> sparse.csr_matrix:
        """The rows of the pairs' texts beside those of their questions."""

        def vectorise() -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
            questions = self.questions_.transform(pairs.questions)[:, self.told_apart_]
            return self.texts_.transform(pairs.texts), questions

        parts = (self._kept, pairs.texts, pairs.questions)
        texts, questions = vectorise() if self._kept is None else once(vectorise, *parts)
        return sparse.hstack([texts[pairs.text], questions[pairs.question]], format="csr")


def _needed(questions: sparse.csc_matrix) -> npt.NDArray[np.intp]:
    """Columns (n-grams) that several rows (questions) hold, and of those of a single row the first."""
    holders = np.diff(questions.indptr)
    single = np.flatnonzero(holders == 1)
    _, first = np.unique(questions.indices[questions.indptr[single]], return_index=True)
    return np.sort(np.concatenate([np.flatnonzero(holders > 1), single[first]]))
