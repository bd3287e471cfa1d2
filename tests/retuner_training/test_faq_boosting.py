"""The trees: calibrated, repeatable, reporting."""

import numpy as np
import pytest

from retuner_training.errors import InvalidInput
from retuner_training.faq.boosting import BoostedTrees


def rows(count, seed):
    """A feature that tells, one that does not, and labels whose true probability is known."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 2)).astype(np.float32)
    odds = 3 * features[:, 0] - 6
    probability = 1 / (1 + np.exp(-odds))
    return features, random.random(count) < probability, probability


def sampled(features, matches, *, per_match, seed=0):
    """All matching rows and `per_match` others for each."""
    others = np.flatnonzero(~matches)
    drawn = np.random.default_rng(seed).choice(others, per_match * int(matches.sum()), replace=False)
    kept = np.concatenate([np.flatnonzero(matches), drawn])
    return features[kept], matches[kept]


@pytest.mark.parametrize("balanced", [True, False])
def test_probabilities_are_right_although_the_training_holds_few_of_the_other_pairs(balanced):
    features, matches, _ = rows(60_000, seed=0)
    trees = BoostedTrees(trees=40, num_leaves=4, balanced=balanced)
    trees.fit(*sampled(features, matches, per_match=4))
    held_out, held_out_matches, _ = rows(60_000, seed=2)
    trees.calibrate(trees.booster_.predict(held_out, raw_score=True), held_out_matches)
    fresh, labels, truth = rows(60_000, seed=1)
    found = trees.predict_proba(fresh)[:, 1]
    assert found.mean() == pytest.approx(labels.mean(), rel=0.1)
    for low, high in ((0.05, 0.2), (0.2, 0.5), (0.5, 0.9)):
        bin_ = (found >= low) & (found < high)
        assert found[bin_].mean() == pytest.approx(truth[bin_].mean(), rel=0.2)


def test_scores_that_separate_all_pairs_have_finite_probabilities():
    features, matches = np.repeat([[0.0], [1.0]], 50, axis=0), np.repeat([False, True], 50)
    trees = BoostedTrees(trees=20).fit(features, matches)
    trees.calibrate(trees.booster_.predict(features, raw_score=True), matches)
    found = trees.predict_proba(features)[:, 1]
    assert 0 < found[0] < 0.1
    assert 0.9 < found[-1] < 1


def test_calibrating_never_turns_the_order_round():
    features, matches, _ = rows(5_000, seed=0)
    trees = BoostedTrees(trees=20).fit(features, matches)
    order = np.argsort(trees.predict_proba(features)[:, 1])
    trees.calibrate(trees.booster_.predict(features, raw_score=True), ~matches)
    after = trees.predict_proba(features)[:, 1][order]
    assert (np.diff(after) >= -1e-12).all()
    assert after[0] < after[-1]


def test_without_calibration_the_probabilities_are_those_of_the_training_rows():
    features, matches, _ = rows(20_000, seed=0)
    some, labels = sampled(features, matches, per_match=4)
    found = BoostedTrees(trees=40, num_leaves=4).fit(some, labels).predict_proba(some)
    assert found[:, 1].mean() == pytest.approx(0.2, rel=0.02)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(some)))


def test_the_same_seed_gives_the_same_trees():
    features, matches, _ = rows(5_000, seed=0)
    models = [BoostedTrees(trees=20, seed=3).fit(features, matches).booster_.model_to_string() for _ in range(2)]
    assert models[0] == models[1]


def test_rising_trees_never_fall_with_a_feature():
    features, matches, _ = rows(5_000, seed=0)
    grid = np.column_stack([np.linspace(-3, 3, 200), np.zeros(200)])
    free, rising = (
        BoostedTrees(trees=60, min_child_samples=1, rising=r).fit(features, matches).predict_proba(grid)[:, 1]
        for r in (False, True)
    )
    assert (np.diff(rising) >= 0).all()
    assert (np.diff(free) < 0).any()


def test_every_period_is_reported_and_the_end():
    features, matches, _ = rows(5_000, seed=0)
    seen = []
    BoostedTrees(trees=25).fit(features, matches, report=lambda booster, trees: seen.append(trees), period=10)
    assert seen == [10, 20, 25]


@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_kind_are_refused(label):
    with pytest.raises(InvalidInput, match="only one kind"):
        BoostedTrees().fit(np.zeros((10, 1)), np.full(10, label))
