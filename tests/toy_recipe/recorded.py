"""The toy as a recipe to search: slow enough to be interrupted, and every training leaves a line in TOY_RECORD."""

import os
from pathlib import Path
from typing import ClassVar

from toy_recipe import ToyRecipe


class RecordedRecipe(ToyRecipe):
    search_space: ClassVar = {
        "quality": {"type": "float", "low": 0.0, "high": 1.0},
        "steps": {"type": "categorical", "choices": [6]},
        "delay": {"type": "categorical", "choices": [0.1]},
        "record": {"type": "categorical", "choices": [os.environ.get("TOY_RECORD", "")]},
        "fails_at": {"type": "categorical", "choices": [0, 1]},
    }

    def fit(self, tables, parameters, progress, resources):
        """A trial also leaves its `quality`, which tells those of a random search apart, beside the record."""
        record = parameters.get("record")
        if record and not parameters.get("final"):
            with Path(f"{record}.qualities").open("a") as qualities:
                qualities.write(f"{parameters.get('quality')}\n")
        return super().fit(tables, parameters, progress, resources)

    def final_parameters(self, best):
        return {**best, "final": True}

    def seen(self, tables):
        """None of the scored rows, so that a second model can be held against the first."""
        return tables["rows"]["key"] + len(tables["rows"])


recipe = RecordedRecipe()
