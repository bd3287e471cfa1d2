"""Nearest known duplicates, centroids and the linear scorer, each against its slow definition."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import normalize

from retuner_training.faq import linear, neighbours
from retuner_training.faq.centroids import Centroids
from retuner_training.faq.linear import Examples, Preconditioner, fit_weights, log_softmax
from retuner_training.faq.neighbours import Neighbours

QUESTIONS = 6
FOLDS = (slice(0, 11), slice(11, 40))


@pytest.fixture
def vectors():
    random = np.random.default_rng(0)
    return normalize(sparse.random(40, 15, density=0.4, random_state=random, format="csr", dtype=np.float32))


@pytest.fixture
def question():
    """Of every row; question 2 has one duplicate, question 5 none."""
    owner = np.random.default_rng(1).choice([0, 1, 3, 4], size=40)
    owner[7] = 2
    return owner


def nearest_by_definition(vectors, question, text, asked, count, own):
    cosines = (vectors @ vectors.T).toarray()
    result = []
    for row, wanted in zip(text, asked, strict=True):
        known = [cosines[row, other] for other in np.flatnonzero(question == wanted) if not (own and other == row)]
        result.append(sum(sorted(known, reverse=True)[:count]) / count)
    return np.array(result)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("block", [1, 200, 10_000])  # one question, some, all at a time
@pytest.mark.parametrize("count", [1, 3, 12])
def test_the_nearest_duplicates_are_found(vectors, question, monkeypatch, own, block, count):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    random = np.random.default_rng(2)
    text, asked = random.integers(0, 40, 150), random.integers(0, QUESTIONS, 150)
    known = Neighbours(vectors, np.arange(40), question, questions=QUESTIONS, most=count)
    found = known.similarity(vectors, text, asked, own=own)
    assert found.shape == (150, count)
    for nearest in range(1, count + 1):
        wanted = nearest_by_definition(vectors, question, text, asked, nearest, own)
        assert found[:, nearest - 1] == pytest.approx(wanted, abs=1e-5)


def test_unknown_questions_are_passed_over(vectors, question):
    known = Neighbours(vectors, np.arange(40), question, questions=QUESTIONS, most=2)
    found = known.similarity(vectors, np.array([3, 3, 3]), np.array([-1, question[3], -1]))
    assert (found[[0, 2]] == 0).all()
    assert (found[1] > 0).all()


def test_a_centroid_without_its_own_text_is_the_sum_of_the_others(vectors, question):
    centroids = Centroids(vectors, np.arange(40), question, questions=QUESTIONS)
    products = centroids.products(vectors)[np.arange(40), question]
    found = centroids.cosines(products, question, np.ones(40, dtype=np.float32))
    for row in np.flatnonzero(question != 2):
        others = (question == question[row]) & (np.arange(40) != row)
        total = np.asarray(vectors[others].sum(axis=0)).ravel()
        wanted = (vectors[row] @ total).item() / np.linalg.norm(total)
        assert found[row] == pytest.approx(wanted, abs=1e-5)


def test_the_linear_scorer_fits_as_well_as_many_steps_of_descent(vectors, question):
    dense = vectors.toarray()
    examples = Examples(dense, question, QUESTIONS, FOLDS)
    loss = []
    for steps in (0, 4, 30):
        weights = fit_weights(examples, Preconditioner(dense, ridge=0.3), steps=steps)
        logs = log_softmax(dense @ weights.T)
        loss.append(-logs[np.arange(40), question].mean())
    assert loss[0] > loss[1] > loss[2]
    assert loss[2] < 0.5 * np.log(4)


def test_two_questions_do_not_make_the_steps_too_long(vectors):
    """The step suits many questions; with two the curvature is far higher."""
    dense, question = vectors.toarray(), np.arange(40) % 2
    examples = Examples(dense, question, 2, FOLDS)
    preconditioner = Preconditioner(dense, ridge=0.01)
    losses = []
    for steps in range(8):
        logs = log_softmax(dense @ fit_weights(examples, preconditioner, steps=steps).T)
        losses.append(-logs[np.arange(40), question].mean())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.8 * losses[0]


def test_blocks_of_rows_do_not_change_the_weights(vectors, question, monkeypatch):
    dense = vectors.toarray()
    examples, preconditioner = Examples(dense, question, QUESTIONS, FOLDS), Preconditioner(dense, ridge=1)
    whole = fit_weights(examples, preconditioner, steps=3)
    monkeypatch.setattr(linear, "_CELLS", QUESTIONS * 7)
    assert fit_weights(examples, preconditioner, steps=3) == pytest.approx(whole, abs=1e-4)
