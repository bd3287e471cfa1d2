"""How near a text is to the known duplicates of a question that are most like it."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from retuner_training.faq.linear import Floats, Ints, chunks

_BLOCK = 500_000
"""Similarities (texts x duplicates) for which questions are handled together."""


class Neighbours:
    """The known duplicates, as rows of unit length, in the order of their questions."""

    def __init__(self, vectors: sparse.csr_matrix, row: Ints, question: Ints, *, questions: int, most: int) -> None:
        """`row[i]` of `vectors` is a known duplicate of `question[i]`; up to `most` duplicates are averaged over."""
        order = np.argsort(question, kind="stable")
        self._vectors = vectors[row[order]]
        self._row = row[order]
        self._starts = np.searchsorted(question[order], np.arange(questions + 1))
        self._most = most

    def similarity(self, vectors: sparse.csr_matrix, text: Ints, question: Ints, *, own: bool = False) -> Floats:
        """For every pair the mean cosines of `vectors[text]` with the nearest known duplicates of `question`.

        Pairs x most: the means over the nearest, over the two nearest and so on. Missing duplicates count 0. With
        `own`, `vectors` are those that the duplicates were taken from, and a text is not compared with itself.
        """
        result = np.zeros((len(text), self._most), dtype=np.float32)
        order = np.argsort(question, kind="stable")
        ends = np.searchsorted(question[order], np.arange(len(self._starts)))
        for first, last in self._blocks(vectors.shape[0]):
            pairs = order[ends[first] : ends[last]]
            rows, place = np.unique(text[pairs], return_inverse=True)
            if len(rows):
                means = self._means(vectors, rows, first, last, own=own)
                result[pairs] = means[place, question[pairs] - first]
        return result

    def _blocks(self, texts: int) -> Iterator[tuple[int, int]]:
        """Ranges of questions with few similarities each, or of one question."""
        allowed, first, questions = _BLOCK // max(1, texts), 0, len(self._starts) - 1
        while first < questions:
            fitting = int(np.searchsorted(self._starts, self._starts[first] + allowed, side="right")) - 1
            last = min(questions, max(first + 1, fitting))
            yield first, last
            first = last

    def _means(self, vectors: sparse.csr_matrix, rows: Ints, first: int, last: int, *, own: bool) -> Floats:
        """Rows x questions from `first` to `last` x most."""
        known = slice(self._starts[first], self._starts[last])
        transposed, starts = self._vectors[known].T.tocsr(), self._starts[first : last + 1] - known.start
        means = np.empty((len(rows), last - first, self._most), dtype=np.float32)
        for part in chunks(len(rows), max(transposed.shape[1], (last - first) * self._most)):
            cosines = (vectors[rows[part]] @ transposed).toarray()
            if own:
                cosines[rows[part, None] == self._row[known]] = 0
            means[part] = _means_of_largest(cosines, starts, self._most)
        return means


def _means_of_largest(values: Floats, starts: Ints, most: int) -> Floats:
    """Means of the 1 to `most` largest of each group of columns: rows x groups x most.

    Group g is columns `starts[g]` to `starts[g + 1]`.
    """
    total = np.zeros((len(values), len(starts) - 1, most))
    if len(starts) == 2:
        width = min(most, values.shape[1])
        largest = np.partition(values, values.shape[1] - width, axis=1)[:, values.shape[1] - width :]
        total[:, 0, :width] = np.sort(largest, axis=1)[:, ::-1]
    else:  # one sort for all groups: cosines span less than 2, so that the groups cannot mix
        group = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) * 2.0
        falling = group - np.sort(group - values, axis=1)
        for place in range(most):
            filled = starts[:-1] + place < starts[1:]
            total[:, filled, place] = falling[:, starts[:-1][filled] + place]
    return (total.cumsum(axis=2) / np.arange(1, most + 1)).astype(np.float32)
