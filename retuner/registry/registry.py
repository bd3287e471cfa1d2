"""Model versions and the champion among them: the protocol that every registry follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a model."""

    name: str
    version: str
    uri: str
    """Where one finds it: MLflow's `models:/` address, or its page in the portal of Azure ML."""
    key: str
    """Identity given by the caller: registering the key again returns this version."""
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by name, where the registry knows them."""


@dataclass(frozen=True)
class Metadata:
    """What is kept with a model version. Names are ours (`gain@3`); the registry translates what it refuses."""

    metrics: Mapping[str, float]
    parameters: Mapping[str, object]
    tags: Mapping[str, str]
    """dataset, study, snapshot, git commit, recipe."""


class Registry(Protocol):
    """Versions of one model name are numbered from 1. Raises RetryableError or UserError."""

    def register(self, name: str, folder: Path, metadata: Metadata, key: str) -> ModelVersion:
        """Register the files in `folder` (model.joblib, seen.parquet, snapshot.zip) as the next version.

        Idempotent by `key`: a call that was interrupted anywhere is repaired by the next with the same key.
        """

    def versions(self, name: str) -> list[ModelVersion]:
        """All whole versions, newest first."""

    def champion(self, name: str) -> ModelVersion | None:
        """The version in use, None where there is none yet. Raises UnusableVersion where it is not one of ours."""

    def set_champion(self, name: str, version: str) -> None:
        """Make `version` the champion."""

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Copy the version's files into `folder`, hashes checked. Returns the folder.

        Raises UnusableVersion where a file is missing or altered.
        """
