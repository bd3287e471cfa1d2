"""The linear scorer: log-probability of every question for a text."""

from itertools import pairwise

import numpy as np
from scipy import sparse

from retuner_training.faq.linear import Examples, Floats, Ints, Preconditioner, chunks, fit_weights, log_softmax
from retuner_training.faq.training import FOLDS, Training
from retuner_training.faq.vectors import Vectors

_SIGNS = 8
"""Dimensions that each n-gram is spread over."""


class LinearScorer:
    """Multinomial logistic regression on words and characters, projected to a few hundred dimensions.

    The projection gives each n-gram a random sign in each of eight random dimensions, which keeps inner products
    nearly (sparse Johnson-Lindenstrauss: Kane and Nelson, "Sparser Johnson-Lindenstrauss transforms", 2014).
    """

    def __init__(self, *, character_share: float, dimensions: int, ridge: float, steps: int) -> None:
        self._scales = np.sqrt(np.array([1 - character_share, character_share], dtype=np.float32))
        self._dimensions = dimensions
        self._ridge = ridge
        self._steps = steps

    def fit(self, vectors: Vectors, training: Training) -> Floats:
        """Fit on the corpus; return the column of the training pairs, each by weights that have not seen its text."""
        terms = vectors.words.shape[1] + vectors.characters.shape[1]
        self._projection = _projection(terms, self._dimensions)
        dense = self._dense(vectors)
        examples = _examples(dense, training)
        preconditioner = Preconditioner(dense, ridge=self._ridge)
        weights = [fit_weights(examples.without(number), preconditioner, steps=self._steps) for number in range(FOLDS)]
        start: Floats = np.asarray(np.mean(weights, axis=0, dtype=np.float32))
        self._weights = fit_weights(examples, preconditioner, steps=max(1, self._steps // 2), start=start)
        column = np.empty(len(training.text), dtype=np.float32)
        for number, unseen in enumerate(weights):
            pairs = np.flatnonzero(training.fold[training.text] == number)
            column[pairs] = _log_probabilities(dense, unseen, training.text[pairs], training.question[pairs])
        return column

    def column(self, vectors: Vectors, text: Ints, question: Ints) -> Floats:
        """Of pairs (row of `vectors`, known question); that of an unknown one (-1) is the lowest of the text."""
        return _log_probabilities(self._dense(vectors), self._weights, text, question)

    def _dense(self, vectors: Vectors) -> Floats:
        both = sparse.hstack([vectors.words * self._scales[0], vectors.characters * self._scales[1]], format="csr")
        return np.asarray((both @ self._projection).toarray())


def _examples(dense: Floats, training: Training) -> Examples:
    """Questions belong to all folds: their texts are known whichever duplicate is left out."""
    row, question = training.examples()
    fold = np.concatenate([np.full(len(training.questions), FOLDS), training.fold[training.known_row]])
    order = np.argsort(fold, kind="stable")
    ends = np.searchsorted(fold[order], np.arange(FOLDS + 2))
    folds = tuple(slice(int(first), int(last)) for first, last in pairwise(ends))
    return Examples(dense[row[order]], question[order], len(training.questions), folds)


def _log_probabilities(dense: Floats, weights: Floats, text: Ints, question: Ints) -> Floats:
    used, place = np.unique(text, return_inverse=True)
    column, order = np.empty(len(text), dtype=np.float32), np.argsort(place, kind="stable")
    for part in chunks(len(used), len(weights)):
        first, last = np.searchsorted(place, (part.start, part.stop), sorter=order)
        pairs = order[first:last]
        logs = log_softmax(dense[used[part]] @ weights.T)
        known = logs[place[pairs] - part.start, question[pairs]]
        column[pairs] = np.where(question[pairs] < 0, logs.min(axis=1)[place[pairs] - part.start], known)
    return column


def _projection(terms: int, dimensions: int) -> sparse.csr_matrix:
    """terms x dimensions, the same for the same sizes."""
    random = np.random.default_rng(0)
    places = random.integers(0, dimensions, size=terms * _SIGNS, dtype=np.int32)
    signs = random.choice(np.array([-1, 1], dtype=np.float32), size=terms * _SIGNS) / np.float32(np.sqrt(_SIGNS))
    return sparse.csr_matrix((signs, places, np.arange(0, terms * _SIGNS + 1, _SIGNS)), shape=(terms, dimensions))
