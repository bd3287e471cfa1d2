"""The default recipe: boosted trees over similarities to the questions and to their known duplicates."""

from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline

from retuner_training.faq.base import FaqRecipe
from retuner_training.faq.boosting import BoostedTrees
from retuner_training.faq.features import PairFeatures
from retuner_training.hyperparameters import Hyperparameter, complete
from retuner_training.recipe import Dimension, Parameters, Recipe, Resources

_FEATURES = {
    "word_ngrams": Hyperparameter(2, 1, 5),
    "character_ngrams": Hyperparameter(3, 1, 10),
    "character_share": Hyperparameter(0.5, 0, 1),
    "dimensions": Hyperparameter(1536, 16, 16384),
    "ridge": Hyperparameter(1.0, 1e-3, 1e6),
    "steps": Hyperparameter(4, 0, 100),
    "neighbours": Hyperparameter(3, 1, 1000),
}
_TREES = {
    "trees": Hyperparameter(60, 1, 100_000),
    "learning_rate": Hyperparameter(0.1, 1e-4, 1),
    "num_leaves": Hyperparameter(15, 2, 4096),
    "min_child_samples": Hyperparameter(20, 1, 1_000_000),
}
_MATCH = {"match": Hyperparameter(10, 2, 32767)}


class FaqRanker(FaqRecipe):
    """See `PairFeatures` for what it looks at."""

    name = "faq_ranker"
    period = 5
    # With a lower rate so few trees end far from the pairs' odds, and the probabilities cannot be mended. What the
    # linear scorer depends on takes few values, so that trials share it: within 0.3..0.7 gains differ by less than
    # their standard error, as they do for ridges of 0.3..3, which are therefore left at 1.
    search_space: Mapping[str, Dimension] = {
        "trees": {"type": "int", "low": 40, "high": 80, "step": 5},
        "learning_rate": {"type": "float", "low": 0.1, "high": 0.4, "log": True},
        "num_leaves": {"type": "int", "low": 4, "high": 31, "log": True},
        "min_child_samples": {"type": "int", "low": 5, "high": 200, "log": True},
        "neighbours": {"type": "int", "low": 1, "high": 10, "log": True},
        "word_ngrams": {"type": "int", "low": 1, "high": 3},
        "character_share": {"type": "categorical", "choices": [0.3, 0.5, 0.7]},
    }

    def pipeline(self, parameters: Parameters, resources: Resources) -> Pipeline:
        """Two steps: `PairFeatures`, and trees in which no similarity lowers the probability."""
        values = self._complete(parameters)
        features = PairFeatures(**{name: values[name] for name in _FEATURES})
        trees = BoostedTrees(
            **{name: values[name] for name in _TREES}, rising=True, threads=resources.threads, seed=resources.seed
        )
        return Pipeline([("features", features), ("trees", trees)])

    def final_parameters(self, best: Parameters) -> dict[str, Any]:
        """Twice the trees at half the learning rate."""
        values = self._complete(best)
        return {**best, "trees": 2 * values["trees"], "learning_rate": values["learning_rate"] / 2}

    def match(self, parameters: Parameters) -> int:
        return int(self._complete(parameters)["match"])

    def _complete(self, parameters: Parameters) -> dict[str, Any]:
        return complete(parameters, {**_FEATURES, **_TREES, **_MATCH}, recipe=self.name)


recipe: Recipe = FaqRanker()
