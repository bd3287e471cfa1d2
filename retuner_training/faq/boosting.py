"""LightGBM's boosted trees as the last step of a pipeline: reports while it trains, calibrated when it is done."""

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy import optimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from retuner_training.errors import InvalidInput
from retuner_training.trees import after_trees

Floats = npt.NDArray[np.float64]
Report = Callable[[lightgbm.Booster, int], None]
"""Called with the booster and its number of trees."""


class BoostedTrees(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Binary classifier for pairs of which the matching ones are more frequent in training than in use.

    Deterministic: the same data, parameters, seed and threads give the same trees.
    """

    def __init__(
        self,
        *,
        trees: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 31,
        min_child_samples: int = 20,
        max_bin: int = 255,
        balanced: bool = False,
        rising: bool = False,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        """`balanced`: matching pairs weigh as much as all others; `rising`: no feature may lower a probability."""
        self.trees = trees
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.max_bin = max_bin
        self.balanced = balanced
        self.rising = rising
        self.threads = threads
        self.seed = seed

    def fit(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        y: npt.ArrayLike,
        *,
        report: Report | None = None,
        period: int = 10,
    ) -> "BoostedTrees":
        """Train; `report` is called after every `period` trees and at the end, and may raise to end the training."""
        matches = np.asarray(y).astype(bool)
        if matches.all() or not matches.any():
            raise InvalidInput("The pairs must hold matching (y = 1) and other (y = 0) pairs: only one kind is there.")
        weights = np.where(matches, (~matches).sum() / matches.sum(), 1.0) if self.balanced else None
        parameters = self._parameters(X.shape[1])
        self.classes_ = np.array([0, 1])
        self.slope_, self.offset_ = 1.0, 0.0
        self.booster_ = lightgbm.train(
            parameters,
            lightgbm.Dataset(X, matches.astype(np.float32), weight=weights, params=parameters),
            num_boost_round=self.trees,
            callbacks=[after_trees(lambda state, trees: report(state.model, trees), period)] if report else None,
        )
        return self

    def calibrate(self, raw: Floats, y: npt.ArrayLike) -> None:
        """Make probabilities of raw scores: those of pairs that are new to the trees and as frequent as in use.

        Training pairs are neither: few of the pairs that do not match are drawn, and with few or slow trees all
        probabilities stay near the mean.
        """
        self.slope_, self.offset_ = _sigmoid(np.asarray(raw, dtype=np.float64), np.asarray(y).astype(bool))

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """Probabilities of no match and of a match: rows x 2."""
        raw = self.booster_.predict(X, raw_score=True, num_threads=self.threads)
        match = self.probabilities(raw)
        return np.column_stack([1 - match, match])

    def probabilities(self, raw: Floats) -> Floats:
        """Of a match, from the trees' raw scores."""
        return np.asarray(expit(self.slope_ * raw + self.offset_))

    def predict(self, X: Any) -> npt.NDArray[np.int64]:  # noqa: N803
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)

    def _parameters(self, features: int) -> dict[str, Any]:
        parameters = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_child_samples": self.min_child_samples,
            "max_bin": self.max_bin,
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,  # the timing that would choose is not repeatable, and its choice is slow here
            "verbosity": -1,
        }
        return parameters | ({"monotone_constraints": [1] * features} if self.rising else {})


def _sigmoid(raw: Floats, matches: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of the log-odds, as a function of the raw score, that are most likely.

    J. Platt, "Probabilistic outputs for support vector machines" (1999), with his targets instead of 1 and 0, which
    keep the slope finite where the scores separate the pairs. The slope stays positive: the order is the trees'.
    """
    positive, negative = matches.sum(), (~matches).sum()
    targets = np.where(matches, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        odds = parameters[0] * raw + parameters[1]
        slack = expit(odds) - targets
        return float((np.logaddexp(0, odds) - targets * odds).sum()), np.array([slack @ raw, slack.sum()])

    start = np.array([1.0, np.log((positive + 1) / (negative + 1)) - raw.mean()])
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return float(found.x[0]), float(found.x[1])
