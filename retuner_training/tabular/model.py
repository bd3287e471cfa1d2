"""A fitted classifier of rows."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from retuner_training.errors import InvalidInput, listed

FLOOR = 1e-15
"""The least probability that a log loss is taken of, as in LightGBM, so that reports and scores agree."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TabularModel:
    """Pickled by this import path: the class must keep its name and place."""

    pipeline: Pipeline
    """Two steps: columns, trees. It knows classes by their place."""
    classes: tuple[str, ...]
    """Names of the classes, in the order of the probabilities."""

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Probability of every class: rows x classes. The log says which values the model has never learnt."""
        for name, values in self.pipeline["columns"].unknown(frame).items():
            found = listed([repr(value) for value in values])
            _log.warning("The model has not learnt the value %s of the column '%s': it counts as missing.", found, name)
        return self._probabilities(frame)

    def _probabilities(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        return np.asarray(self.pipeline.predict_proba(frame))

    def scores(self, frame: pd.DataFrame, target: pd.Series) -> pd.DataFrame:
        """Per row: log_loss, accuracy (1 where the likeliest class is right) and whether the class is known."""
        probabilities = self._probabilities(frame)
        place = places(target, self.classes)
        own = np.where(place < 0, 0.0, probabilities[np.arange(len(place)), place])
        return pd.DataFrame(
            {
                "log_loss": -np.log(np.maximum(own, FLOOR)),
                "accuracy": (probabilities.argmax(axis=1) == place).astype(float),
                "known": place >= 0,
            }
        )

    def answer(self, text: str, *, top: int) -> list[dict[str, Any]]:
        """The `top` likeliest classes of one row, given as a JSON object; columns that it leaves out are missing."""
        if top < 1:
            raise InvalidInput(f"{top} answers were asked for: ask for at least 1.")
        row = self._read_row(text)
        (probabilities,) = self.predict_proba(row)
        best = np.argsort(-probabilities, kind="stable")[:top]
        return [{"class": self.classes[place], "probability": float(probabilities[place])} for place in best]

    def _read_row(self, text: str) -> pd.DataFrame:
        kinds = self.pipeline["columns"].kinds
        example = json.dumps(dict.fromkeys(list(kinds)[:1])).replace("null", "..")
        try:
            row = json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"The row is not JSON ({error}): give an object such as {example}.") from None
        if not isinstance(row, dict) or not row:
            raise InvalidInput(f"The row must be a JSON object of columns, such as {example}.")
        unknown = [repr(name) for name in row if name not in kinds]
        if unknown:
            raise InvalidInput(f"The model knows no column {listed(unknown)}: it knows {', '.join(kinds)}.")
        nested = [repr(name) for name, value in row.items() if isinstance(value, dict | list)]
        if nested:
            raise InvalidInput(f"The column {listed(nested)} of the row must hold one value.")
        return pd.DataFrame({name: pd.Series([row.get(name)], index=[1], name=name) for name in kinds})


def places(target: pd.Series, classes: Sequence[str]) -> npt.NDArray[np.intp]:
    """The place of each row's class among `classes`, -1 for one that is not there."""
    return np.asarray(pd.Index(classes).get_indexer(target))
