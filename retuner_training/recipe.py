"""What a recipe is: everything that retuner must know of a problem in order to tune it.

FAQ matching is a recipe among others: the flow, the search, the compute targets and the registry know this
protocol alone.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from retuner_training.errors import InvalidInput
from retuner_training.progress import Progress

Parameters = Mapping[str, Any]
"""Hyperparameters by name: JSON scalars."""

Dimension = Mapping[str, Any]
"""One hyperparameter's range as plain data.

`{"type": "int" | "float", "low": .., "high": .., "log": bool, "step": ..}` (log and step optional) or
`{"type": "categorical", "choices": [..]}`.
"""

Tables = Mapping[str, pd.DataFrame]
"""A dataset in memory: one data frame per Parquet file, by the file's stem."""

Part = Literal["train", "tune", "test"]

BUILT_IN = {
    "faq_ranker": "retuner_training.faq.ranker:recipe",
    "faq_reference": "retuner_training.faq.reference:recipe",
    "tabular": "retuner_training.tabular.recipe:recipe",
}


@dataclass(frozen=True)
class Objective:
    """The metric that the search looks at, and which way is better."""

    metric: str
    direction: Literal["maximize", "minimize"] = "maximize"


@dataclass(frozen=True)
class Resources:
    """What one job may use: threads for LightGBM and BLAS, and the seed of everything that is drawn at random."""

    threads: int = 1
    seed: int = 0


class Recipe(Protocol):
    """A problem to tune. Implementations are plain objects; a module-level `recipe` is the usual form."""

    name: str
    objective: Objective
    metrics: tuple[str, ...]
    """All columns of `score` that are means of a per-row score, the objective's metric among them."""
    search_space: Mapping[str, Dimension]
    period: int
    """Steps (trees) between two reports."""
    files: tuple[str, ...]
    """Names of the raw files that a source must hold. Where they are patterns (`*.csv`), the source is one file of
    any such name, and `prepare` gets that file instead of a folder."""
    addresses: Mapping[str, str]
    """Known public sources: name -> http(s) prefix of the raw files, or address of the one file."""
    options: Mapping[str, Any]
    """What `prepare` wants to know beside `split_seed` and `faulty_rows`, by name, with the default values."""

    def sample(self, folder: Path, *, seed: int = 0) -> None:
        """Write the bundled sample as raw files into `folder`."""

    def prepare(self, source: Path, options: Mapping[str, Any]) -> tuple[Tables, dict[str, Any]]:
        """Read the raw files in `source`; return the dataset's tables and its statistics (plain data).

        The options are those of `options`, `split_seed` and `faulty_rows` (`refuse` or `drop`); a public source of
        `addresses` comes with `drop`. Deterministic: the same files and options give the same tables. Raises
        InvalidInput naming file and row.
        """

    def signature(self, statistics: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a model of the dataset with these statistics takes and gives.

        `{"inputs": [{"name": "text", "type": "string"}], "output": "double"}`; more than one output is a list as well.
        """

    def pipeline(self, parameters: Parameters, resources: Resources) -> Any:
        """An unfitted scikit-learn estimator. Raises InvalidInput for an unknown or impossible hyperparameter."""

    def fit(self, tables: Tables, parameters: Parameters, progress: Progress, resources: Resources) -> Any:
        """Fit `pipeline(parameters)` on the train part; report the objective on the tune part every `period` steps.

        Lets `StopTraining`, raised by `progress.report`, pass. Returns a picklable model.
        """

    def score(self, model: Any, tables: Tables, part: Part) -> pd.DataFrame:
        """One row per scored example, what the gate resamples: columns `metrics`, `key` (uint64, the example's
        identity across datasets) and `known` (bool: the model could have answered it right)."""

    def seen(self, tables: Tables) -> pd.Series:
        """Keys (uint64) of all examples that a model of this dataset was trained or tuned on."""

    def final_parameters(self, best: Parameters) -> dict[str, Any]:
        """Hyperparameters of the final training, from the best trial's (more trees)."""

    def answer(self, model: Any, text: str, *, top: int) -> list[dict[str, Any]]:
        """The model's `top` best answers to one text, best first, as JSON objects with a `probability`.

        Of its other members but `id` people are shown the first as the answer's line, the rest below it.
        """


_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "name": (str, "a text"),
    "objective": (Objective, "an Objective"),
    "metrics": ((tuple, list), "a tuple of names"),
    "search_space": (Mapping, "a dictionary of ranges"),
    "period": (int, "a whole number"),
    "files": ((tuple, list), "a tuple of names"),
    "addresses": (Mapping, "a dictionary"),
    "options": (Mapping, "a dictionary"),
}
"""The parts of a recipe that are no methods: what each must be, and in words."""


@runtime_checkable
class ChecksSource(Protocol):
    """An optional part of a recipe: without it, faults inside the raw files are told when they are prepared."""

    def check_source(self, source: Path, options: Mapping[str, Any]) -> None:
        """Raise InvalidInput for what can be seen without reading rows, such as a column that is not there.

        It gets what `prepare` gets, and is called before anything is started.
        """


CANDIDATES = 3
"""Answers that are shown of each mistake."""


class Candidate(TypedDict):
    """One answer that a model gave, and how likely it found it."""

    answer: str
    probability: float


class Mistake(TypedDict):
    """One example that a model got wrong, in words that people read."""

    given: str
    expected: str
    place: int
    """Where the model has the expected answer among all of them; 1 is the first."""
    preferred: list[Candidate]
    """The best `CANDIDATES`, best first."""


@runtime_checkable
class ShowsMistakes(Protocol):
    """An optional part of a recipe: without it, the report shows no examples."""

    def mistakes(self, model: Any, tables: Tables, scores: pd.DataFrame, *, part: Part, most: int) -> list[Mistake]:
        """At most `most` examples of the part that the model got wrong by its `scores`, as `score` gave them.

        Chosen by key, which is as good as at random and the same for every model.
        """


def wrong_rows(scores: pd.DataFrame, metric: str, *, most: int) -> npt.NDArray[np.intp]:
    """Positions of the first `most` rows by key whose `metric`, a hit or a miss, is 0."""
    wrong = np.flatnonzero(scores[metric].to_numpy() == 0)
    return wrong[np.argsort(scores["key"].to_numpy()[wrong], kind="stable")[:most]]


def load_recipe(name: str) -> Recipe:
    """The recipe of a built-in name or of `package.module:object`. Raises InvalidInput with what is missing."""
    address = BUILT_IN.get(name, name)
    module_name, _, attribute = address.partition(":")
    if not attribute:
        known = ", ".join(sorted(BUILT_IN))
        raise InvalidInput(f"There is no recipe '{name}': use one of {known}, or 'package.module:object'.")
    try:
        recipe = getattr(import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise InvalidInput(_not_found(name, module_name, str(error.name))) from error
    except (Exception, SystemExit) as error:
        raise InvalidInput(
            f"The recipe '{name}' cannot be imported ({type(error).__name__}: {error}): mend the module "
            f"{module_name}, or name another recipe as 'package.module:object'."
        ) from error
    if faults := _faults(recipe):
        raise InvalidInput(f"The recipe '{name}' {' and '.join(faults)}: see docs/recipes.md.")
    return recipe  # type: ignore[no-any-return]


def _faults(recipe: Any) -> list[str]:
    """What makes the object no recipe, as ends of a sentence about it."""
    if isinstance(recipe, type):
        return [f"is a class, and an object of it is wanted, as in recipe = {recipe.__name__}()"]
    methods = sorted(member for member, value in vars(Recipe).items() if callable(value) and member[0] != "_")
    if missing := sorted(part for part in [*_KINDS, *methods] if not hasattr(recipe, part)):
        return [f"lacks {', '.join(missing)}"]
    faults = [f"has a part {part} that cannot be called" for part in methods if not callable(getattr(recipe, part))]
    for part, (kind, words) in _KINDS.items():
        if not isinstance(value := getattr(recipe, part), kind):
            faults.append(f"has a {type(value).__name__} as {part}, which must be {words}")
    if not faults and recipe.objective.metric not in recipe.metrics:
        faults.append(f"has not its objective's metric '{recipe.objective.metric}' among its metrics")
    return faults


def _not_found(recipe: str, module: str, missing: str) -> str:
    """The recipe's own module, or a package that it imports, is not on this machine."""
    if f"{module}.".startswith(f"{missing}."):
        return f"The recipe '{recipe}' cannot be imported: put the module '{missing}' on PYTHONPATH, or install it."
    package = module.partition(".")[0]
    return (
        f"The recipe '{recipe}' needs the package '{missing.partition('.')[0]}', which is not installed on "
        f"{platform.node()}: install it there, and name it in the requirements.txt of the package {package}."
    )
