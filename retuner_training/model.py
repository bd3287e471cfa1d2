"""A trained model as one file that answers for new texts in any process that has the same library versions."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from retuner_training.errors import InvalidInput
from retuner_training.recipe import load_recipe
from retuner_training.result import MODEL, sha256_of, write_whole
from retuner_training.versions import library_versions, minor

COMPRESSION = 3
logger = logging.getLogger("retuner_training")


@dataclass(frozen=True)
class SavedModel:
    """What the model file holds. Pickled by this import path: the class must keep its name and place."""

    recipe: str
    parameters: dict[str, Any]
    model: Any
    metrics: dict[str, float]
    """Means on the tune part."""
    versions: dict[str, str]

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        """Probabilities as the fitted pipeline gives them: rows of `frame` x classes."""
        return self.model.predict_proba(frame)

    def answer(self, text: str, *, top: int) -> list[dict[str, Any]]:
        """The `top` best answers to one text, best first, as the recipe words them."""
        return load_recipe(self.recipe).answer(self.model, text, top=top)


def save_model(
    file: Path, model: Any, *, recipe: str, parameters: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    """Write the model with all that is needed to use it, whole."""
    saved = SavedModel(recipe, dict(parameters), model, dict(metrics), library_versions())
    write_whole(file, lambda part: joblib.dump(saved, part, compress=COMPRESSION))


def load_model(file: str | Path, sha256: str | None = None) -> SavedModel:
    """Read a model file back. Raises InvalidInput where it is missing, altered, or of another scikit-learn."""
    file = Path(file)
    if not file.is_file():
        raise InvalidInput(f"There is no model file {file}: name the model.joblib of a finished training.")
    if sha256 is not None and (found := sha256_of(file)) != sha256:
        raise InvalidInput(
            f"The model file {file} is not the one that was saved: its SHA-256 is {found[:12]}.., "
            f"expected {sha256[:12]}... Fetch it again or train it again."
        )
    try:
        saved = joblib.load(file)
    except Exception as error:
        # unpickling runs the constructors of every library in the file: anything can be raised
        raise InvalidInput(f"The model file {file} cannot be read: {type(error).__name__}: {error}.") from error
    if not isinstance(saved, SavedModel):
        raise InvalidInput(f"The file {file} holds a {type(saved).__name__}, not a model saved by retuner.")
    _check_versions(saved.versions, file)
    return saved


def _check_versions(written: Mapping[str, str], file: Path) -> None:
    """scikit-learn promises to read its own pickles only within a minor version."""
    ours, theirs = version("scikit-learn"), written["scikit-learn"]
    if minor(ours) != minor(theirs):
        raise InvalidInput(
            f"The model file {file} was written with scikit-learn {theirs}, here is {ours}: "
            f"install scikit-learn {theirs} or train the model again."
        )


class _PyfuncModel:
    """What MLflow's python_function flavour calls."""

    def __init__(self, saved: SavedModel) -> None:
        self._saved = saved

    def get_raw_model(self) -> SavedModel:
        """What MLflow's own method of that name gives."""
        return self._saved

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> Any:
        """A data frame of every class's probability where the classes have names, else the positive class's alone."""
        probabilities = self._saved.predict_proba(frame)
        classes = getattr(self._saved.model, "classes", None)
        if classes is not None:
            return pd.DataFrame(probabilities, columns=list(classes), index=frame.index)
        return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities


def _load_pyfunc(path: str) -> _PyfuncModel:
    """Entry point that MLflow looks for in a loader module; `path` is the model file or its folder."""
    file = Path(path)
    _warn_of_other_code(file)
    return _PyfuncModel(load_model(file / MODEL if file.is_dir() else file))


def _warn_of_other_code(data: Path) -> None:
    """A process has one package of a name: the one of the version that it loaded first."""
    brought = next((folder / "code" for folder in data.parents if (folder / "code").is_dir()), None)
    for theirs in brought.iterdir() if brought else ():
        loaded = getattr(sys.modules.get(theirs.stem), "__file__", None)
        if loaded is None:
            continue
        ours = Path(loaded).parent if theirs.is_dir() else Path(loaded)
        if _sources(theirs) != _sources(ours):
            words = "%s brings a %s of its own, but this process has that of %s: load it in a process of its own."
            logger.warning(words, data, theirs.name, ours)


def _sources(package: Path) -> dict[str, bytes]:
    files = package.rglob("*.py") if package.is_dir() else [package]
    return {str(file.relative_to(package)): file.read_bytes() for file in files}
