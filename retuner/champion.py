"""The champion, ready to answer: found in the registry, copied to this machine once, loaded with its own code."""

import hashlib
import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from retuner.errors import UserError
from retuner.parameters import AzureMlRegistry, MlflowRegistry
from retuner.registry import open_registry
from retuner.registry.registry import ModelVersion, Registry
from retuner.registry.version_record import MODEL, SNAPSHOT, sha256_of
from retuner.settings import Settings

CODE = "code"


def load_champion(
    name: str,
    registry: MlflowRegistry | AzureMlRegistry,
    settings: Settings,
    *,
    sign_in: Callable[[], Any] | None = None,
) -> tuple[ModelVersion, Any]:
    """The champion's version and its model (`retuner_training.model.SavedModel`). Raises UserError for none.

    `sign_in` is for a registry on Azure ML, as `open_registry` takes it.

    The version's snapshot goes first on the path, and takes the place of what is loaded of our own retuner_training.
    """
    opened = open_registry(registry, settings, sign_in=sign_in)
    version = opened.champion(name)
    if version is None:
        raise UserError(
            f"There is no champion of {name} yet: retune run makes one, with the same --model-name, --recipe or "
            "--parameters."
        )
    folder = fetch_champion(opened, version, settings.home / "champions" / name)
    for module in [module for module in sys.modules if module.partition(".")[0] == "retuner_training"]:
        del sys.modules[module]
    sys.path.insert(0, str(folder / CODE))
    training = import_module("retuner_training.model")
    try:
        return version, training.load_model(folder / MODEL)
    except training.InvalidInput as error:
        raise UserError(str(error)) from None


def fetch_champion(registry: Registry, version: ModelVersion, cache: Path) -> Path:
    """The folder in `cache` with the version's files and, in `code/`, its packages; copied where it is not there.

    It is named by what the version holds, since another registry has a version of the same number.
    """
    identity = json.dumps([version.uri, version.key, dict(version.files)], sort_keys=True)
    folder = cache / hashlib.sha256(identity.encode()).hexdigest()[:16]
    if _is_whole(folder, version):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=cache) as scratch:
        draft = registry.download(version, Path(scratch) / "version")
        with zipfile.ZipFile(draft / SNAPSHOT) as packed:
            packed.extractall(draft / CODE)
        if not _is_whole(folder, version):  # else another process was faster
            shutil.rmtree(folder, ignore_errors=True)
        try:
            draft.rename(folder)
        except OSError:
            if not _is_whole(folder, version):
                raise
    return folder


def _is_whole(folder: Path, version: ModelVersion) -> bool:
    """Whether the model is the one that was registered; a folder is renamed to its name once all is in it."""
    model = folder / MODEL
    if not model.is_file() or not (folder / CODE).is_dir():
        return False
    return sha256_of(model) == version.files.get(MODEL)
