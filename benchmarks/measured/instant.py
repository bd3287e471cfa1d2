"""A recipe whose trials return at once, without a report: what is left is the cost of running them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from retuner_training.progress import Progress
from retuner_training.recipe import Dimension, Objective, Parameters, Part, Resources, Tables


class InstantRecipe:
    """One random hyperparameter, which is its own value."""

    name = "instant"
    objective = Objective("value")
    metrics = ("value",)
    search_space: ClassVar[Mapping[str, Dimension]] = {"value": {"type": "float", "low": 0.0, "high": 1.0}}
    period = 1
    files = ("empty.txt",)
    addresses: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[Mapping[str, Any]] = {}

    def signature(self, statistics: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"inputs": [{"name": "text", "type": "string"}], "output": "double"}

    def sample(self, folder: Path, *, seed: int = 0) -> None:
        (folder / "empty.txt").touch()

    def prepare(self, source: Path, options: Mapping[str, Any]) -> tuple[Tables, dict[str, Any]]:
        return {"rows": pd.DataFrame({"key": np.arange(10, dtype=np.uint64)})}, {}

    def pipeline(self, parameters: Parameters, resources: Resources) -> float:
        return float(parameters["value"])

    def fit(self, tables: Tables, parameters: Parameters, progress: Progress, resources: Resources) -> float:
        return self.pipeline(parameters, resources)

    def score(self, model: float, tables: Tables, part: Part) -> pd.DataFrame:
        return pd.DataFrame({"value": model, "key": tables["rows"]["key"], "known": True})

    def seen(self, tables: Tables) -> pd.Series:
        return tables["rows"]["key"]

    def final_parameters(self, best: Parameters) -> dict[str, Any]:
        return dict(best)

    def answer(self, model: float, text: str, *, top: int) -> list[dict[str, Any]]:
        return [{"question": text, "probability": model}]


recipe = InstantRecipe()
