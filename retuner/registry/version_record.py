"""What is written last with every model version: its identity, what it reached and the hashes of its files.

A version without a record was interrupted and does not count; so the record is one value, written in one call.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from retuner.errors import UnusableVersion, UserError
from retuner.registry.registry import Metadata, ModelVersion

# `retune ask` needs these names before it may import retuner_training, which comes from the version itself
MODEL = "model.joblib"
SEEN = "seen.parquet"
SNAPSHOT = "snapshot.zip"
SIGNATURE = "signature.json"
"""Optional: `{"inputs": [{"name": "text", "type": "string"}], "output": "double"}`."""


@dataclass(frozen=True)
class VersionRecord:
    """One model version's record: JSON in a tag of the registry."""

    key: str
    metrics: Mapping[str, float]
    parameters: Mapping[str, object]
    tags: Mapping[str, str]
    files: Mapping[str, str]
    """SHA-256 by name, relative to the registered folder."""

    @classmethod
    def of(cls, folder: Path, metadata: Metadata, key: str) -> "VersionRecord":
        """The record of the files in `folder`. Raises UserError where a file that every version needs is missing."""
        missing = [name for name in (MODEL, SEEN, SNAPSHOT) if not (folder / name).is_file()]
        if missing:
            raise UserError(f"The folder {folder} cannot be registered: it lacks {', '.join(missing)}.")
        return cls(
            key=key,
            metrics=dict(metadata.metrics),
            parameters=dict(metadata.parameters),
            tags=dict(metadata.tags),
            files=hash_files(folder),
        )

    @classmethod
    def from_json(cls, text: str) -> "VersionRecord":
        """Raises UnusableVersion for a record of another form."""
        try:
            fields: dict[str, Any] = json.loads(text)
            return cls(**fields)
        except (ValueError, TypeError) as error:
            raise UnusableVersion(
                f"The record of a model version cannot be read ({error}): make another version the champion."
            ) from error

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def version(self, name: str, number: str, uri: str) -> ModelVersion:
        """The model version that this record belongs to."""
        return ModelVersion(
            name=name,
            version=number,
            uri=uri,
            key=self.key,
            tags=self.tags,
            metrics=self.metrics,
            parameters=self.parameters,
            files=self.files,
        )


def plain_name(name: str) -> str:
    """The name of a metric or parameter as every registry takes it: `@` is refused by some."""
    return name.replace("@", "_at_")


def check_model_name(name: str) -> None:
    """Raise UserError for a name that one of the registries would refuse."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
        raise UserError(
            f"'{name}' is no model name: begin with a letter and use up to 64 letters, digits, '_' and '-', "
            "for example FAQ_ranker."
        )


def check_key(key: str) -> None:
    """Raise UserError for a key that cannot be searched for: registries quote it in their filters."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}", key):
        raise UserError(f"'{key}' cannot identify a model version: use up to 200 letters, digits and '_.:/-'.")


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under `folder`, by its relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def copy_checked(source: Path, folder: Path, files: Mapping[str, str], *, shown: str) -> Path:
    """Copy `files` (SHA-256 by name) from `source` into `folder`, which changes only once all of them are right.

    Raises UnusableVersion with the file that is missing or has other content; `shown` is the source to people.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        for name, expected in files.items():
            _copy_one(source / name, Path(scratch) / name, expected, shown=f"{shown}/{name}")
        for name in files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / name).replace(target)
    return folder


def _copy_one(source: Path, target: Path, expected: str, *, shown: str) -> None:
    if not source.is_file():
        raise UnusableVersion(
            f"The model file {shown} is missing: restore it from a backup, or retune for a new version."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    found = sha256_of(target)
    if found != expected:
        raise UnusableVersion(
            f"The model file {shown} was changed after it was registered (SHA-256 {found[:12]}, expected "
            f"{expected[:12]}): restore it from a backup, or retune for a new version."
        )


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's content."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
