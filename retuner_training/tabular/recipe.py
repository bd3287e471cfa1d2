"""The recipe `tabular`: classes of the rows of a table, by boosted trees over its numbers and categories."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.pipeline import Pipeline

from retuner_training.errors import InvalidInput
from retuner_training.hyperparameters import Hyperparameter, complete
from retuner_training.progress import Progress
from retuner_training.recipe import (
    CANDIDATES,
    Dimension,
    Mistake,
    Objective,
    Parameters,
    Part,
    Recipe,
    Resources,
    Tables,
    wrong_rows,
)
from retuner_training.tabular.columns import NUMBER, Columns
from retuner_training.tabular.model import TabularModel, places
from retuner_training.tabular.prepare import OWN_OPTIONS
from retuner_training.tabular.raw_table import FORMS
from retuner_training.trees import after_trees

_KNOWN = {
    "trees": Hyperparameter(100, 1, 100_000),
    "learning_rate": Hyperparameter(0.1, 1e-4, 1),
    "num_leaves": Hyperparameter(31, 2, 4096),
    "min_child_samples": Hyperparameter(20, 1, 1_000_000),
    "column_share": Hyperparameter(1.0, 0.01, 1),
    "ridge": Hyperparameter(0.0, 0, 1e6),
    "category_smoothing": Hyperparameter(10.0, 0, 1e6),
}


class TabularRecipe:
    """The objective is the log loss: it uses the probabilities, where accuracy only counts which is highest."""

    name = "tabular"
    objective = Objective("log_loss", "minimize")
    metrics: tuple[str, ...] = ("log_loss", "accuracy")
    period = 10
    search_space: Mapping[str, Dimension] = {
        "trees": {"type": "int", "low": 50, "high": 300, "step": 10},
        "learning_rate": {"type": "float", "low": 0.02, "high": 0.3, "log": True},
        "num_leaves": {"type": "int", "low": 4, "high": 64, "log": True},
        "min_child_samples": {"type": "int", "low": 5, "high": 100, "log": True},
        "column_share": {"type": "float", "low": 0.3, "high": 1.0},
        "ridge": {"type": "float", "low": 1e-3, "high": 10.0, "log": True},
    }
    files: tuple[str, ...] = FORMS
    addresses: Mapping[str, str] = {}
    options: Mapping[str, Any] = OWN_OPTIONS

    def signature(self, statistics: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of a row, and a probability for each class."""
        return {
            "inputs": [{"name": name, "type": kind} for name, kind in statistics["columns"].items()],
            "output": [{"name": name, "type": NUMBER} for name in statistics["classes"]],
        }

    def sample(self, folder: Path, *, seed: int = 0) -> None:
        """Write the bundled sample, which is real data and the same for every seed, into `folder`."""
        from retuner_training.tabular.sample import write_sample

        write_sample(folder)

    def check_source(self, source: Path, options: Mapping[str, Any]) -> None:
        """Raise InvalidInput where the names of the columns tell that the file `source` cannot be used."""
        from retuner_training.tabular.prepare import check_columns

        check_columns(source, options)

    def prepare(self, source: Path, options: Mapping[str, Any]) -> tuple[Tables, dict[str, Any]]:
        """Tables and statistics from the file `source`: see `retuner_training.tabular.prepare`."""
        from retuner_training.tabular.prepare import prepare

        return prepare(source, options)

    def pipeline(self, parameters: Parameters, resources: Resources) -> Pipeline:
        """Two steps: `Columns`, and LightGBM's classifier, which splits categories natively."""
        values = complete(parameters, _KNOWN, recipe=self.name)
        trees = LGBMClassifier(
            n_estimators=values["trees"],
            learning_rate=values["learning_rate"],
            num_leaves=values["num_leaves"],
            min_child_samples=values["min_child_samples"],
            colsample_bytree=values["column_share"],
            reg_lambda=values["ridge"],
            cat_smooth=values["category_smoothing"],
            min_data_per_group=values["min_child_samples"],
            n_jobs=resources.threads,
            random_state=resources.seed,
            deterministic=True,
            force_col_wise=True,
            verbosity=-1,
        )
        return Pipeline([("columns", Columns()), ("trees", trees)])

    def fit(self, tables: Tables, parameters: Parameters, progress: Progress, resources: Resources) -> TabularModel:
        """Fit on the train part; report the log loss on the tune part every `period` trees."""
        pipeline = self.pipeline(parameters, resources)
        (features, target, _), (tune_features, tune_target, _) = _rows(tables, "train"), _rows(tables, "tune")
        classes = sorted(target.unique())
        features = pipeline["columns"].fit_transform(features)
        progress.check()

        def report(state: Any, trees: int) -> None:
            ((_, _, loss, _),) = state.evaluation_result_list
            progress.report(trees, loss)

        pipeline["trees"].fit(
            features,
            places(target, classes),
            eval_X=pipeline["columns"].transform(tune_features),
            eval_y=places(tune_target, classes),
            callbacks=[after_trees(report, self.period)],
        )
        return TabularModel(pipeline, tuple(classes))

    def score(self, model: TabularModel, tables: Tables, part: Part) -> pd.DataFrame:
        """Every row of the part: `metrics`, `key` and `known` (the model has learnt its class)."""
        features, target, key = _rows(tables, part)
        return model.scores(features, target).assign(key=key.to_numpy())

    def seen(self, tables: Tables) -> pd.Series:
        """Keys of the rows of the train and tune parts."""
        examples = tables["examples"]
        return examples.loc[examples["part"] != "test", "key"].reset_index(drop=True)

    def final_parameters(self, best: Parameters) -> dict[str, Any]:
        """Twice the trees at half the learning rate."""
        values = complete(best, _KNOWN, recipe=self.name)
        return {**best, "trees": 2 * values["trees"], "learning_rate": values["learning_rate"] / 2}

    def mistakes(
        self, model: TabularModel, tables: Tables, scores: pd.DataFrame, *, part: Part, most: int
    ) -> list[Mistake]:
        """Rows whose class is not the likeliest, with the three classes that are."""
        features, target, _ = _rows(tables, part)
        wrong = wrong_rows(scores, "accuracy", most=most)
        rows = features.iloc[wrong]
        return [
            _mistake(row, str(expected), dict(zip(model.classes, probabilities, strict=True)))
            for (_, row), expected, probabilities in zip(
                rows.iterrows(), target.iloc[wrong], model.predict_proba(rows), strict=True
            )
        ]

    def answer(self, model: TabularModel, text: str, *, top: int) -> list[dict[str, Any]]:
        """The `top` likeliest classes of one row, a JSON object from column to value: class, probability."""
        return model.answer(text, top=top)


def _mistake(row: pd.Series, expected: str, probabilities: Mapping[str, float]) -> Mistake:
    best = sorted(probabilities, key=lambda name: -probabilities[name])
    values = [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()]
    return {
        "given": ", ".join(values),
        "expected": expected,
        "place": 1 + best.index(expected) if expected in best else 1 + len(best),
        "preferred": [{"answer": str(name), "probability": float(probabilities[name])} for name in best[:CANDIDATES]],
    }


def _rows(tables: Tables, part: Part) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Features, target and key of the part's rows."""
    examples = tables["examples"]
    of_part = (examples["part"] == part).to_numpy()
    if not of_part.any():
        raise InvalidInput(f"The dataset has no row in its {part} part: prepare it again with more rows.")
    return tables["features"][of_part], examples.loc[of_part, "target"], examples.loc[of_part, "key"]


recipe: Recipe = TabularRecipe()
