"""A dataset on disk: one Parquet file per table, and a manifest that was written last.

manifest.json: `name`, `recipe`, `options`, `statistics` and `files`, for each file its `sha256` and `bytes`.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pandas.api.types import is_object_dtype

from retuner_training.errors import InvalidInput
from retuner_training.result import sha256_of

MANIFEST = "manifest.json"

_Stamp = tuple[str, int, int, str]
"""Path, bytes, time of change and SHA-256 of a file that this process has read whole."""

_verified: set[_Stamp] = set()
_kept: dict[_Stamp, pd.DataFrame] = {}
"""Tables of the dataset that was loaded last: the trials of a worker follow each other on the same."""

_KEPT_BYTES = 256 << 20
"""Larger tables are read anew: beside them, reading is little, and memory dear."""


def load_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of the dataset in `folder` by name. Raises InvalidInput naming a file that is missing or damaged.

    They are the caller's, who may change them: what is kept for the next one is a copy.
    """
    files = _verify_files(folder, _read_manifest(folder))
    for stamp in _kept.keys() - files.values():
        _kept.pop(stamp, None)
    return {Path(name).stem: _load_table(folder / name, files[name]) for name in sorted(files)}


def _load_table(file: Path, stamp: _Stamp) -> pd.DataFrame:
    if (kept := _kept.get(stamp)) is not None:
        return kept.copy()
    table = _read_table(file)
    # of lists and other objects a copy would hold the same ones
    if table.memory_usage().sum() <= _KEPT_BYTES and not any(map(is_object_dtype, table.dtypes)):
        _kept[stamp] = table.copy()
    return table


def _read_table(file: Path) -> pd.DataFrame:
    """As pandas.read_parquet, at half the CPU: without the scanner that it sets up for datasets of many files.

    One thread, as a job is one of several on its node, and its limit on threads does not hold pyarrow's.
    """
    with pq.ParquetFile(file) as parquet:
        return parquet.read(use_threads=False).to_pandas(use_threads=False)


def verify(folder: Path) -> dict[str, Any]:
    """The manifest, once every file is there with the size and the SHA-256 that it tells."""
    manifest = _read_manifest(folder)
    _verify_files(folder, manifest)
    return manifest


def _verify_files(folder: Path, manifest: dict[str, Any]) -> dict[str, _Stamp]:
    files = manifest["files"].items()
    return {name: _verify_file(folder / name, int(told["bytes"]), str(told["sha256"])) for name, told in files}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"There is no dataset in {folder}: {MANIFEST} is missing.") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read ({error}): {_advice(folder)}.") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise InvalidInput(f"{path} names no files: {_advice(folder)}.")
    return manifest


def _verify_file(path: Path, size: int, digest: str) -> _Stamp:
    try:
        status = path.stat()
        if status.st_size != size:
            raise InvalidInput(f"{path} has {status.st_size} bytes instead of {size}: {_advice(path.parent)}.")
        seen = (str(path), size, status.st_mtime_ns, digest)
        if seen in _verified:
            return seen
        found = sha256_of(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}): {_advice(path.parent)}.") from None
    if found != digest:
        raise InvalidInput(
            f"{path} has changed (SHA-256 {found[:12]}.. instead of {digest[:12]}..): {_advice(path.parent)}."
        )
    _verified.add(seen)
    return seen


def _advice(folder: Path) -> str:
    return f"delete the folder {folder}, and the next start makes it anew"
