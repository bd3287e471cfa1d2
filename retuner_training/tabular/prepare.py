"""From a raw table to the tables that the recipe trains on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retuner_training.errors import InvalidInput, listed
from retuner_training.split import keys, split_parts
from retuner_training.tabular.columns import NUMBER, TEXT, as_kind, as_numbers, as_texts, kind_of
from retuner_training.tabular.raw_table import read_names, read_table

FEWEST = 3
"""Different rows that a class needs: one to train, one to tune and one to test."""


@dataclass(frozen=True)
class Options:
    """Which column is the target, and how rows are split."""

    target_column: str = "target"
    split_seed: int = 0
    faulty_rows: str = "refuse"
    """`refuse`: a row without a target or of a class with too few rows is an error; `drop`: it is left out, counted."""

    def __post_init__(self) -> None:
        if self.faulty_rows not in ("refuse", "drop"):
            raise InvalidInput(f"faulty_rows = {self.faulty_rows!r}: it must be 'refuse' or 'drop'.")


OWN_OPTIONS = {"target_column": Options.target_column}
"""Those that no other recipe needs to have, with their defaults."""


def check_columns(source: Path, options: Mapping[str, Any]) -> None:
    """Raise InvalidInput where the file has no usable names of columns, no target, or nothing but the target."""
    _check_columns(read_names(source), source, _read_options(options).target_column)


def prepare(source: Path, options: Mapping[str, Any]) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The dataset's tables and statistics from the file `source`; `options` as in `Options`.

    features   the columns but the target: numbers as float64, all else as texts
    examples   of the same rows: target (a text), part (train, tune, test), key

    Raises InvalidInput naming file and column or row.
    """
    chosen = _read_options(options)
    raw = _RawTable(source, read_table(source), chosen)
    target = raw.target()
    features = raw.features().loc[target.index]
    texts = _row_texts(features)
    target = raw.frequent_classes(target, texts)
    features, texts = features.loc[target.index], texts.loc[target.index]
    parts = split_parts(texts, pd.factorize(target, sort=True)[0].astype(np.int32), seed=chosen.split_seed)
    raw.check_train(target, parts)
    examples = pd.DataFrame({"target": target.array, "part": pd.Series(parts).astype("str"), "key": keys(texts)})
    tables = {"features": features.reset_index(drop=True), "examples": examples}
    return tables, {"read": len(raw.table), "faulty": raw.faulty, **_statistics(tables)}


def _read_options(options: Mapping[str, Any]) -> Options:
    try:
        return Options(**options)
    except TypeError as error:
        raise InvalidInput(f"Unknown option for preparing a table: {error}.") from None


def _check_columns(names: Sequence[str], file: Path, target: str) -> None:
    if target not in names:
        known = ", ".join(names)
        if len(names) == 1 and (found := [mark for mark in ";\t|" if mark in names[0]]):
            raise InvalidInput(f"{file} has one column, '{known}': separate columns by commas, not by {found[0]!r}.")
        raise InvalidInput(f"{file} has no column '{target}' for the target: set target_column to one of {known}.")
    if len(names) == 1:
        raise InvalidInput(f"{file} has no column but the target: there is nothing to learn from.")


@dataclass(frozen=True)
class _RawTable:
    """The table as it was read, and its checks. Faulty rows are counted by fault, or raise."""

    file: Path
    table: pd.DataFrame
    options: Options
    faulty: dict[str, int] = field(default_factory=dict)

    def target(self) -> pd.Series:
        """The target of every row that has one, as text; whole numbers without a fraction."""
        name = self.options.target_column
        _check_columns(list(self.table), self.file, name)
        column = self._sound(self.table[name], self.table[name].isna(), f"have no target in the column '{name}'")
        if column.empty:
            raise InvalidInput(f"{self.file}: the target column '{name}' holds no value: name another.")
        if self._kind(column) != NUMBER:
            return as_texts(column)
        numbers = as_numbers(column)
        fractions = numbers[numbers % 1 != 0]
        if len(fractions):
            row, value = next(fractions.items())
            raise InvalidInput(
                f"{self.file}: the target column '{name}' must name classes, but row {row} has {value}: this recipe "
                f"learns classes, not quantities."
            )
        return numbers.astype("int64").map(str).astype("str")

    def features(self) -> pd.DataFrame:
        """The other columns, numbers as float64 and all else as texts."""
        others = self.table.drop(columns=self.options.target_column)
        kinds = {name: self._kind(others[name]) for name in others}
        return pd.DataFrame({name: as_kind(others[name], kind) for name, kind in kinds.items()})

    def frequent_classes(self, target: pd.Series, texts: pd.Series) -> pd.Series:
        """The target of rows whose class has enough different rows; at least two classes."""
        different = texts.groupby(target).nunique()
        few = target.isin(different.index[different < FEWEST])
        fault = f"are of a class with fewer than {FEWEST} different rows, one each to train, to tune and to test"
        target = self._sound(target, few, fault, shown=True)
        if target.nunique() < 2:
            left = f"holds the class '{target.iloc[0]}' alone" if len(target) else "holds no class with enough rows"
            raise InvalidInput(
                f"{self.file}: the target column '{self.options.target_column}' {left}, and at least two are needed."
            )
        return target

    def check_train(self, target: pd.Series, parts: Any) -> None:
        """Every class must be in the train part: where equal rows have several classes, one may take another's."""
        absent = sorted(set(target) - set(target[parts == "train"]))
        if absent:
            raise InvalidInput(
                f"{self.file}: no row of the class '{absent[0]}' is left to train on, since equal rows go to one part: "
                f"add rows that differ, or leave the class out."
            )

    def _kind(self, column: pd.Series) -> str:
        try:
            return kind_of(column)
        except InvalidInput as error:
            raise InvalidInput(f"{self.file}: {error}") from None

    def _sound(self, rows: pd.Series, wrong: pd.Series, fault: str, *, shown: bool = False) -> pd.Series:
        count = int(wrong.sum())
        if count and self.options.faulty_rows == "refuse":
            found = listed([f"row {row}" + (f" has '{value}'" if shown else "") for row, value in rows[wrong].items()])
            raise InvalidInput(
                f"{self.file}: {count} of {len(self.table)} rows {fault} ({found}): mend or remove them, or set "
                f"faulty_rows to drop."
            )
        if count:
            self.faulty[f"rows that {fault}"] = count
        return rows[~wrong]


def _row_texts(features: pd.DataFrame) -> pd.Series:
    """Every row as one text: its values by column name. Neither the columns' order nor missing values change it."""
    cells = [_cell_texts(str(name), features[name]) for name in sorted(features)]
    return pd.Series(["\x1f".join(filter(None, row)) for row in zip(*cells, strict=True)], index=features.index)


def _cell_texts(name: str, column: pd.Series) -> list[str]:
    return ["" if pd.isna(value) else f"{name}={value}" for value in column.tolist()]


def _statistics(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    features, examples = tables["features"], tables["examples"]
    parts, classes = examples["part"].value_counts(), examples["target"].value_counts()
    kinds = {str(name): kind_of(features[name]) for name in features}
    return {
        "rows": {part: int(parts.get(part, 0)) for part in ("train", "tune", "test")},
        "classes": {str(name): int(classes[name]) for name in sorted(classes.index)},
        "columns": kinds,
        "categories": {name: int(features[name].nunique()) for name, kind in kinds.items() if kind == TEXT},
        "missing_values": int(features.isna().sum().sum()),
        "equal_rows": int(examples["key"].duplicated().sum()),
    }
