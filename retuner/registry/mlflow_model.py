"""A registered folder as an MLflow model that loads in any process, checkout or not."""

import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from retuner.errors import UserError
from retuner.recipe_requirements import read_requirements
from retuner.registry.version_record import MODEL, SIGNATURE, SNAPSHOT

_LOADER = "retuner_training.model"
_MLFLOW = ("mlflow-skinny", "alembic", "sqlalchemy")
"""What loads the model out of a registry; `mlflow`, which MLflow would name, forbids the pyarrow that made it."""
_IRRELEVANT = (
    ".*Any type hint is inferred as AnyType",  # said of classes in MLflow itself
    ".*An input example was not provided",  # the signature is given, and an example would be data of users
)


def write_model(folder: Path, target: Path) -> None:
    """Write `folder` as the MLflow model `target`, for `mlflow.pyfunc.load_model`.

    All files of `folder` go to `data/`; the packages in its snapshot go to `code/`, which is put on the path.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with zipfile.ZipFile(folder / SNAPSHOT) as archive:
                archive.extractall(scratch)
        except zipfile.BadZipFile as error:
            raise UserError(f"The snapshot {folder / SNAPSHOT} is no zip archive: {error}.") from error
        _save(folder, target, code=sorted(str(path) for path in Path(scratch).iterdir()))
    shutil.copytree(folder, target / "data", dirs_exist_ok=True)


def _save(folder: Path, target: Path, *, code: list[str]) -> None:
    with warnings.catch_warnings():
        for message in _IRRELEVANT:
            warnings.filterwarnings("ignore", message=message, category=UserWarning)
        import_module("mlflow.pyfunc").save_model(
            str(target),
            loader_module=_LOADER,
            data_path=str(folder / MODEL),
            code_paths=code,
            # given, since MLflow takes seconds to find them by trying
            pip_requirements=_requirements(folder / SNAPSHOT),
            signature=_signature(folder / SIGNATURE),
        )


def _requirements(snapshot: Path) -> list[str]:
    """What the model needs, the recipe's own requirements among it, in the versions that are installed here."""
    # here and not above: `retune ask` must not import our retuner_training before the version's own
    from retuner_training.versions import LIBRARIES, MISSING, library_versions

    own = [requirement.name for requirement in read_requirements(snapshot)]
    versions = library_versions([*_MLFLOW, *own])
    names = dict.fromkeys([*LIBRARIES, *_MLFLOW, *own])
    return [f"{name}=={versions[name]}" for name in names if versions[name] != MISSING]


def _signature(file: Path) -> Any:
    """The model's signature from its file, None where there is none."""
    if not file.exists():
        return None
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    try:
        content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        inputs, output = content["inputs"], content["output"]
        outputs = [{"type": output, "name": None}] if isinstance(output, str) else output
        schemas = [Schema([ColSpec(one["type"], one["name"]) for one in columns]) for columns in (inputs, outputs)]
        return ModelSignature(inputs=schemas[0], outputs=schemas[1])
    except (ValueError, KeyError, TypeError, MlflowException) as error:
        raise UserError(f"The signature {file} is unusable ({error!r}): see docs/recipes.md for its form.") from error
