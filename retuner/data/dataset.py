"""Datasets in RETUNER_HOME, named by their content and made once.

datasets/dataset-0123456789ab/             manifest.json and one Parquet file per table
datasets/by-input/<SHA-256>.json           the name of the dataset that raw files, recipe and options gave
"""

import inspect
import json
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from retuner.data.options import dataset_options
from retuner.data.sources import RawData, fetch
from retuner.disk import disk_errors
from retuner.errors import UserError
from retuner.parameters import Data
from retuner_training.dataset import MANIFEST, verify
from retuner_training.errors import InvalidInput
from retuner_training.recipe import Recipe, Tables
from retuner_training.result import sha256_of, write_whole

_UNFINISHED = ".unfinished-"
_ABANDONED = 3600.0  # seconds after which an unfinished folder is nobody's: writing one takes seconds


@dataclass(frozen=True)
class Dataset:
    """A dataset on this machine, whole and verified."""

    name: str
    """`dataset-` and 12 hexadecimal digits of the SHA-256 over its files' sums."""
    folder: Path
    statistics: Mapping[str, Any]
    """What the recipe counted while preparing."""
    sums: Mapping[str, str]
    """SHA-256 of each table's file, by file name."""


def build_dataset(raw: RawData, recipe: Recipe, options: Mapping[str, Any], home: Path) -> Dataset:
    """The dataset that `recipe` prepares from `raw`; prepared only where it is not in `home` yet.

    A source that the recipe names is prepared with `faulty_rows: drop` among the options. Raises UserError where the
    raw files or options are unusable, the dataset that is there is damaged, or it cannot be written.
    """
    if raw.public:
        options = {**options, "faulty_rows": "drop"}
    root = home / "datasets"
    pointer = root / "by-input" / f"{_input_sum(raw, recipe, options)}.json"
    name = _read_pointer(pointer)
    if name is None or not (root / name).is_dir():
        try:
            tables, statistics = recipe.prepare(raw.path, options)
        except InvalidInput as error:
            raise UserError(str(error)) from error
        except Exception as error:  # a person's own recipe may raise anything
            raise UserError(
                f"The recipe {recipe.name} could not prepare {raw.path}: it raised {type(error).__name__}: {error}. "
                f"Mend the recipe or the data; --debug shows where."
            ) from error
        with disk_errors(f"{root} cannot be written"):
            head = {"recipe": recipe.name, "options": dict(options), "statistics": statistics}
            name = _write(root, tables, head)
            _write_pointer(pointer, name)
    return open_dataset(home, name)


def make_dataset(data: Data, recipe: Recipe, *, raw: Path, home: Path) -> Dataset:
    """The dataset of the parameters `data`; what must be fetched or made for it goes below `raw`.

    Raises as `fetch` and `build_dataset` do.
    """
    options = dataset_options(data, recipe)
    return build_dataset(fetch(data.source, recipe, raw), recipe, options, home)


def open_dataset(home: Path, name: str) -> Dataset:
    """The dataset of that name. Raises UserError naming a file that is missing or damaged."""
    folder = home / "datasets" / name
    try:
        manifest = verify(folder)
    except InvalidInput as error:
        raise UserError(str(error)) from None
    sums = {file: wanted["sha256"] for file, wanted in manifest["files"].items()}
    return Dataset(name=name, folder=folder, statistics=manifest["statistics"], sums=sums)


def _write(root: Path, tables: Tables, head: Mapping[str, Any]) -> str:
    """Write the dataset under a temporary name and give it its own once it is whole; returns that name."""
    root.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(root)
    folder = root / f"{_UNFINISHED}{uuid4().hex}"
    folder.mkdir()
    try:
        files = {}
        for table in sorted(tables):
            path = folder / f"{table}.parquet"
            _write_table(tables[table], path)
            files[path.name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        listing = "".join(f"{entry['sha256']}  {file}\n" for file, entry in files.items())
        name = f"dataset-{sha256(listing.encode()).hexdigest()[:12]}"
        manifest = {"name": name, **head, "files": files}
        _write_json(manifest, folder / MANIFEST)
        _rename(folder, root / name)
        return name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_table(table: pd.DataFrame, path: Path) -> None:
    content = pa.Table.from_pandas(table, preserve_index=False)
    write_whole(path, lambda part: pq.write_table(content, part, compression="zstd"))


def _write_json(value: object, path: Path) -> None:
    text = json.dumps(value, indent=1) + "\n"
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _write_pointer(pointer: Path, name: str) -> None:
    pointer.parent.mkdir(exist_ok=True)
    part = pointer.with_name(uuid4().hex)  # a name of its own: two threads may write the same pointer
    try:
        _write_json({"dataset": name}, part)
        part.replace(pointer)
    finally:
        part.unlink(missing_ok=True)


def _rename(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():  # else the same content is there already, and cannot be replaced as it is not empty
            raise


def _remove_abandoned(root: Path) -> None:
    """Remove what a process that was killed while writing has left."""
    for folder in root.glob(f"{_UNFINISHED}*"):
        with suppress(FileNotFoundError):  # another process may finish or remove it meanwhile
            if time.time() - folder.stat().st_mtime > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def _input_sum(raw: RawData, recipe: Recipe, options: Mapping[str, Any]) -> str:
    """What the tables depend on: recipe and its code, raw files, options."""
    given = [recipe.name, _code_sum(recipe), sorted(raw.sums.items()), sorted(options.items())]
    return sha256(json.dumps(given).encode()).hexdigest()


def _code_sum(recipe: Recipe) -> str:
    """SHA-256 over the Python files of the package, or of the one module, that prepares the tables."""
    module = inspect.getmodule(recipe.prepare)
    top = module and sys.modules.get(module.__name__.partition(".")[0])
    if top is None or top.__file__ is None:
        return ""
    start = Path(top.__file__)
    files = sorted(start.parent.rglob("*.py")) if start.name == "__init__.py" else [start]
    return sha256("".join(sha256_of(file) for file in files).encode()).hexdigest()


def _read_pointer(pointer: Path) -> str | None:
    try:
        return str(json.loads(pointer.read_text(encoding="utf-8"))["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or unreadable: the dataset is made again, and is found by its content
