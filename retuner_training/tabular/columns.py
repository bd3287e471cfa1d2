"""The columns of a table as LightGBM reads them: numbers, and texts as categories."""

from decimal import Decimal
from typing import Any

import pandas as pd
from pandas.api import types
from sklearn.base import BaseEstimator, TransformerMixin

from retuner_training.errors import InvalidInput, listed

NUMBER, TEXT = "double", "string"
"""Kinds of columns, by their names in a model's signature."""
MOST_CATEGORIES = 255
"""Of a column with more values the most frequent ones are learnt; the others, like unknown ones, count as missing."""


class Columns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """From rows as people have them to a data frame of float64 and categorical columns with generated names.

    Columns are found by name: their order is free, and columns that were not there in training are left out.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Columns":  # noqa: N803 - scikit-learn's name
        """Learn the kind of each column, and the categories of texts."""
        self.categories_ = {name: _categories(X[name]) if kind_of(X[name]) == TEXT else None for name in X}
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:  # noqa: N803
        """Raises InvalidInput naming the columns that are missing, or what is no number where there must be one."""
        missing = [repr(name) for name in self.categories_ if name not in X]
        if missing:
            raise InvalidInput(f"The rows lack the column {listed(missing)} that the model was trained with.")
        # generated, as LightGBM refuses some characters in names
        columns = {
            f"c{place}": as_numbers(X[name]) if known is None else _as_categories(X[name], known)
            for place, (name, known) in enumerate(self.categories_.items())
        }
        return pd.DataFrame(columns, index=X.index)

    def unknown(self, X: pd.DataFrame) -> dict[str, list[str]]:  # noqa: N803
        """The values of texts that are no learnt category, by column: `transform` takes them for missing ones."""
        found = {}
        for name, known in self.categories_.items():
            if known is not None and name in X:
                texts = as_texts(X[name]).dropna()
                found[name] = sorted(set(texts[~texts.isin(known)]))
        return {name: values for name, values in found.items() if values}

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each column that a row must have, by name."""
        return {name: NUMBER if known is None else TEXT for name, known in self.categories_.items()}


def kind_of(column: pd.Series) -> str:
    """NUMBER, or TEXT for texts, booleans and declared categories. Raises InvalidInput naming another type."""
    if isinstance(column.dtype, pd.CategoricalDtype) or types.is_bool_dtype(column):
        return TEXT
    if types.is_numeric_dtype(column) and not types.is_complex_dtype(column):
        return NUMBER
    inferred = types.infer_dtype(column, skipna=True)
    if inferred == "decimal":
        return NUMBER
    if inferred in ("string", "boolean", "empty"):
        return TEXT
    shown = inferred if types.is_object_dtype(column) else column.dtype
    raise InvalidInput(f"The column '{column.name}' holds {shown}: make it numbers or texts, or leave it out.")


def as_kind(column: pd.Series, kind: str) -> pd.Series:
    """The column as numbers or as texts."""
    return as_numbers(column) if kind == NUMBER else as_texts(column)


def as_numbers(column: pd.Series) -> pd.Series:
    """The column as float64. Raises InvalidInput naming values that are none."""
    numbers = pd.to_numeric(column.map(_plain_number, na_action="ignore"), errors="coerce").astype("Float64")
    wrong = column[(numbers.isna() & column.notna()).to_numpy()]
    if len(wrong):
        found = listed([f"row {row} has {str(value)[:40]!r}" for row, value in wrong.items()])
        raise InvalidInput(f"The column '{column.name}' must hold numbers, but {found}.")
    return pd.Series(numbers.to_numpy("float64", na_value=float("nan")), index=column.index)


def as_texts(column: pd.Series) -> pd.Series:
    """The column's values as texts, missing ones as missing."""
    return column.astype("object").map(str, na_action="ignore").astype("str")


def _as_categories(column: pd.Series, known: list[str]) -> pd.Categorical:
    texts = as_texts(column)
    return pd.Categorical(texts.where(texts.isin(known)), categories=known)


def _plain_number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _categories(column: pd.Series) -> list[str]:
    counts = as_texts(column).value_counts().rename_axis("text").reset_index(name="count")
    frequent = counts.sort_values(["count", "text"], ascending=[False, True]).head(MOST_CATEGORIES)
    return sorted(frequent["text"])
