"""Which question a text belongs to, by multinomial logistic regression on dense text vectors.

All fits share one Cholesky factor of the Gram matrix: it solves the ridge regression that they start from, and as a
preconditioner it lets four or five gradient steps do what L-BFGS needs twenty for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.integer]

_CELLS = 4_000_000
"""Scores (texts x questions) held at a time: 16 MB."""
_START = 10.0
"""Ridge regression's scores lie in 0..1; this makes logits of them."""
_STEP = 16.0
"""In units of the ridge solution; halved whenever a step makes the loss worse."""
_OPERATIONS = 3e11
"""Multiplications that one fit may spend on its steps; beyond (thousands of questions) it stays nearer to ridge."""


def chunks(rows: int, width: int) -> list[slice]:
    """Slices of `rows` that keep a block of `rows x width` numbers within bounds."""
    size = max(1, _CELLS // max(1, width))
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def log_softmax(logits: Floats) -> Floats:
    """Logarithm of the softmax along the last axis; overwrites its input."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits


@dataclass(frozen=True)
class Examples:
    """Texts with the question that each belongs to, in the order of their folds; a text may occur twice."""

    vectors: Floats
    question: Ints
    questions: int
    folds: tuple[slice, ...]
    """Rows of each fold that is looked at."""

    def without(self, number: int) -> "Examples":
        """All folds but one, without copying."""
        folds = self.folds[:number] + self.folds[number + 1 :]
        return Examples(self.vectors, self.question, self.questions, folds)

    def __len__(self) -> int:
        return sum(fold.stop - fold.start for fold in self.folds)

    def blocks(self) -> Iterator[tuple[Floats, Ints]]:
        """Vectors and questions, some at a time."""
        for fold in self.folds:
            for part in chunks(fold.stop - fold.start, self.questions):
                rows = slice(fold.start + part.start, fold.start + part.stop)
                yield self.vectors[rows], self.question[rows]

    def totals(self) -> Floats:
        """Sum of the vectors of every question: questions x dimensions."""
        total = np.zeros((self.questions, self.vectors.shape[1]), dtype=np.float32)
        for vectors, question in self.blocks():
            ones, count = np.ones(len(question), dtype=np.float32), len(question)
            total += sparse.csr_matrix((ones, (question, np.arange(count))), shape=(self.questions, count)) @ vectors
        return total


class Preconditioner:
    """Solves with the regularised Gram matrix of all vectors, whatever their labels."""

    def __init__(self, vectors: Floats, *, ridge: float) -> None:
        gram = vectors.T @ vectors
        gram[np.diag_indices_from(gram)] += np.float32(ridge)
        self._factor = linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)

    def solve(self, rows: Floats) -> Floats:
        """`rows @ inverse(gram)`, for a matrix of questions x dimensions."""
        return np.ascontiguousarray(linalg.cho_solve(self._factor, rows.T, check_finite=False).T)


def fit_weights(
    examples: Examples, preconditioner: Preconditioner, *, steps: int, start: Floats | None = None
) -> Floats:
    """Weights, questions x dimensions, after `steps` gradient steps from `start` (default: the ridge solution)."""
    totals = examples.totals()
    weights = preconditioner.solve(totals) * np.float32(_START) if start is None else start
    steps = min(steps, int(_OPERATIONS / (4 * len(examples) * weights.size)))
    step, best, last = _STEP, np.inf, weights
    for _ in range(steps):
        loss, gradient = _loss_and_gradient(examples, weights, totals)
        if loss > best:
            step /= 2
        else:
            best, last, direction = loss, weights, preconditioner.solve(gradient)
        weights = last + np.float32(step) * direction
    return weights if steps == 0 or _loss(examples, weights) <= best else last


def _loss(examples: Examples, weights: Floats) -> float:
    """The log-likelihood with its sign turned."""
    return sum(_block_loss(log_softmax(vectors @ weights.T), question) for vectors, question in examples.blocks())


def _loss_and_gradient(examples: Examples, weights: Floats, totals: Floats) -> tuple[float, Floats]:
    """The loss, and the direction (not yet preconditioned) in which it falls."""
    loss, expected = 0.0, np.zeros_like(totals)
    for vectors, question in examples.blocks():
        logs = log_softmax(vectors @ weights.T)
        loss += _block_loss(logs, question)
        expected += np.exp(logs, out=logs).T @ vectors
    return loss, totals - expected


def _block_loss(logs: Floats, question: Ints) -> float:
    return -float(logs[np.arange(len(question)), question].sum(dtype=np.float64))
