"""gain@k, ties among them."""

import numpy as np
import pytest

from retuner_training.faq.metric import gains


def test_the_best_scored_question_counts_from_one_on():
    assert gains(np.array([[0.1, 0.9, 0.5]]), np.array([1]), most=3).tolist() == [[1, 1, 1]]
    assert gains(np.array([[0.1, 0.9, 0.5]]), np.array([2]), most=3).tolist() == [[0, 1, 1]]
    assert gains(np.array([[0.1, 0.9, 0.5]]), np.array([0]), most=3).tolist() == [[0, 0, 1]]


def test_scores_that_are_all_equal_are_chance():
    assert gains(np.zeros((1, 10)), np.array([4]), most=3)[0] == pytest.approx([0.1, 0.2, 0.3])


def test_ties_count_as_broken_at_random():
    random = np.random.default_rng(0)
    scores, own = random.integers(0, 4, size=(40, 7)).astype(float), random.integers(0, 7, size=40)
    total = np.zeros((40, 3))
    for _ in range(4000):
        broken = scores + random.random(scores.shape) * 0.5
        rank = (broken > broken[np.arange(40), own][:, None]).sum(axis=1)
        total += rank[:, None] < np.array([1, 2, 3])
    assert np.abs(total / 4000 - gains(scores, own, most=3)).max() < 0.05
