"""The reference's features: the TF-IDF of a text beside the TF-IDF of a question."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer

from retuner_training.errors import InvalidInput
from retuner_training.faq.frames import read_pairs


class PairTerms(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF of n-grams of words; each distinct text is vectorised once and its row repeated for its pairs.

    LightGBM's cost grows with the number of n-grams, so two kinds are left out: those of texts that fewer than `least`
    texts hold (or a share of 1 in 500), which the trees hardly use; and all but one of those that a single question
    holds, since each of them tells that question from all others and nothing else.
    """

    def __init__(self, *, ngrams: int = 1, least: int = 8) -> None:
        self.ngrams = ngrams
        self.least = least

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike | None = None) -> "PairTerms":  # noqa: N803 - scikit-learn's name
        pairs = read_pairs(X)
        shared = {"ngram_range": (1, self.ngrams), "dtype": np.float32}
        self.texts_ = TfidfVectorizer(min_df=min(self.least, max(1, len(pairs.texts) // 500)), **shared)
        self.questions_ = TfidfVectorizer(**shared)
        try:
            self.texts_.fit(pairs.texts)
            self.told_apart_ = _needed(self.questions_.fit_transform(pairs.questions).tocsc())
        except ValueError as error:  # the vocabulary is empty
            raise InvalidInput(f"The {len(pairs.texts)} texts share no words to learn from: {error}.") from error
        return self

    def transform(self, X: pd.DataFrame) -> sparse.csr_matrix:  # noqa: N803
        """Pairs x (n-grams of texts + n-grams of questions)."""
        pairs = read_pairs(X)
        texts = self.texts_.transform(pairs.texts)[pairs.text]
        questions = self.questions_.transform(pairs.questions)[:, self.told_apart_][pairs.question]
        return sparse.hstack([texts, questions], format="csr")

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """text0, text1, .., question0, ..: the n-grams themselves may hold signs that LightGBM refuses."""
        sizes = (("text", len(self.texts_.vocabulary_)), ("question", len(self.told_apart_)))
        return np.array([f"{side}{number}" for side, size in sizes for number in range(size)], dtype=object)


def _needed(questions: sparse.csc_matrix) -> npt.NDArray[np.intp]:
    """Columns (n-grams) that several rows (questions) hold, and of those of a single row the first."""
    holders = np.diff(questions.indptr)
    single = np.flatnonzero(holders == 1)
    _, first = np.unique(questions.indices[questions.indptr[single]], return_index=True)
    return np.sort(np.concatenate([np.flatnonzero(holders > 1), single[first]]))
