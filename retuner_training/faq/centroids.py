"""How like a text is to a question with its known duplicates as a whole."""

import numpy as np
from scipy import sparse

from retuner_training.faq.linear import Floats, Ints


class Centroids:
    """Sums of the vectors of every question and its known duplicates, one column per question."""

    def __init__(self, vectors: sparse.csr_matrix, row: Ints, question: Ints, *, questions: int) -> None:
        """`row[i]` of `vectors` (of unit length) is the question's own text or a known duplicate of `question[i]`."""
        ones = np.ones(len(row), dtype=np.float32)
        member = sparse.csr_matrix((ones, (question, row)), shape=(questions, vectors.shape[0]))
        sums = member @ vectors
        self._terms = sums.T.tocsr()
        self._squares = np.asarray(sums.multiply(sums).sum(axis=1), dtype=np.float32).ravel()

    def products(self, vectors: sparse.csr_matrix) -> Floats:
        """Inner products, texts x questions."""
        return np.asarray((vectors @ self._terms).toarray())

    def cosines(self, products: Floats, question: Ints, own: Floats) -> Floats:
        """Cosines from inner products; `own` is 1 where the text is one of the question's own and is to be left out.

        With s the sum and x the text, |x| = 1: x(s - x) = xs - 1 and |s - x|^2 = |s|^2 - 2xs + 1.
        """
        squares = self._squares[question] - own * (2 * products - 1)
        return np.asarray((products - own) / np.sqrt(np.maximum(squares, np.float32(1e-6))), dtype=np.float32)
