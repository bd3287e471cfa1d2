"""Model versions in an Azure ML workspace, as MLflow models with their metrics, parameters and tags.

A version is made in one request, after its files were sent and read back: it is there whole or not at all. What an
interrupted call leaves are files that no version names. The champion is the version with the highest number in the
tag `champion`; earlier ones keep theirs, so that the tags tell the order in which versions were in use.
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retuner.azure_ml.workspace import WorkspaceName
from retuner.errors import RetryableError, UnusableVersion, UserError
from retuner.registry.azure_ml_models import AzureMlModels, StoredModel
from retuner.registry.mlflow_model import write_model
from retuner.registry.registry import Metadata, ModelVersion, Registry
from retuner.registry.version_record import (
    VersionRecord,
    check_key,
    check_model_name,
    copy_checked,
    hash_files,
    plain_name,
)

CHAMPION = "champion"
KEY = "retuner.key"
RECORD = "retuner.record."
"""Begins the names of the properties that hold the record, one part each."""
PART = 250
"""Characters in a tag or property. Azure documents 1,000 for runs and nothing for models, where it once took 256."""
MOST = 45
"""Tags, or parts of a record: a version takes 50 tags and as many properties."""
FOLDER = "model"
TRANSFERS = 8


class AzureMlRegistry:
    """The models of one workspace; `sign_in` gives azureml-core's authentication, by default this machine's."""

    def __init__(
        self,
        workspace: WorkspaceName,
        *,
        sign_in: Callable[[], Any] | None = None,
        models: AzureMlModels | None = None,
    ) -> None:
        self._name = workspace
        self._models = models or AzureMlModels(workspace, sign_in=sign_in)

    def register(self, name: str, folder: Path, metadata: Metadata, key: str) -> ModelVersion:
        """Register the files in `folder` (model.joblib, snapshot.zip and what else there is) as the next version."""
        check_model_name(name)
        check_key(key)
        for stored in self._models.versions(name):
            if stored.properties.get(KEY) == key and _is_whole(stored):
                return self._version(name, stored)
        record = VersionRecord.of(folder, metadata, key)
        properties = {KEY: key, **_parts(record.to_json())}
        what = f"{folder} cannot be registered as {name} in {self._shown}"
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / FOLDER
            write_model(folder, model)
            place = self._send(model, what)
        made = self._models.create(name, place, tags=_shown_tags(metadata), properties=properties, what=what)
        return record.version(name, str(made.version), self._uri(name, made))

    def versions(self, name: str) -> list[ModelVersion]:
        """All whole versions, newest first."""
        check_model_name(name)
        return [self._version(name, stored) for stored in self._models.versions(name) if _is_whole(stored)]

    def champion(self, name: str) -> ModelVersion | None:
        """The version with the highest number in its tag `champion`, None where none has the tag yet."""
        check_model_name(name)
        named = [stored for stored in self._models.versions(name) if CHAMPION in stored.tags]
        if not named:
            return None
        champion = max(named, key=lambda stored: _sequence(name, stored))
        if not _is_whole(champion):
            raise UnusableVersion(
                f"Version {champion.version} of {name} in {self._shown} was not registered by retuner: remove its tag "
                f"{CHAMPION}, or make another version the champion."
            )
        return self._version(name, champion)

    def set_champion(self, name: str, version: str) -> None:
        """Give `version` the next number in the tag `champion`."""
        check_model_name(name)
        found = self._models.versions(name)
        chosen = next((stored for stored in found if str(stored.version) == version and _is_whole(stored)), None)
        if chosen is None:
            listed = ", ".join(str(stored.version) for stored in found if _is_whole(stored)) or "none"
            raise UserError(f"{name} has no version {version!r} to make the champion; its versions: {listed}.")
        following = 1 + max((_sequence(name, stored) for stored in found if CHAMPION in stored.tags), default=0)
        what = f"Version {version} of {name} cannot be made the champion in {self._shown}"
        self._models.set_tags(chosen, {**chosen.tags, CHAMPION: str(following)}, what)

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Copy the version's files into `folder`, hashes checked. Returns the folder."""
        what = f"Version {version.version} of {version.name} cannot be downloaded from {self._shown}"
        stored = next((one for one in self._models.versions(version.name) if str(one.version) == version.version), None)
        if stored is None or not _is_whole(stored):
            raise UnusableVersion(
                f"There is no version {version.version} of {version.name} that retuner made in {self._shown}."
            )
        files = _record(stored).files
        place = self._models.place_of(stored, what)
        with tempfile.TemporaryDirectory() as scratch:
            self._fetch(place, [f"data/{name}" for name in files], Path(scratch), what)
            shown = f"azureml:{version.name}:{version.version}/data"
            return copy_checked(Path(scratch) / "data", folder, files, shown=shown)

    @property
    def _shown(self) -> str:
        return f"the workspace {self._name.workspace}"

    def _uri(self, name: str, stored: StoredModel) -> str:
        """The version's page in the portal."""
        return f"https://ml.azure.com/model/{name}:{stored.version}/details?wsid={self._name.scope}"

    def _version(self, name: str, stored: StoredModel) -> ModelVersion:
        return _record(stored).version(name, str(stored.version), self._uri(name, stored))

    def _send(self, model: Path, what: str) -> str:
        """Upload the folder and read it back; returns its place. Raises RetryableError where other content arrived."""
        from retuner.storage.blob_address import send

        sent = hash_files(model)
        container, addresses = self._models.upload_addresses([f"{FOLDER}/{name}" for name in sent], what)
        place = f"{container}/{FOLDER}"
        with ThreadPoolExecutor(TRANSFERS) as pool:
            jobs = [pool.submit(send, model / name, addresses[f"{FOLDER}/{name}"], what=what) for name in sent]
        for job in jobs:
            job.result()
        with tempfile.TemporaryDirectory() as scratch:
            self._fetch(place, sent, Path(scratch), what)
            arrived = hash_files(Path(scratch))
        wrong = sorted(name for name in sent if arrived.get(name) != sent[name])
        if wrong:
            raise RetryableError(f"{what}: what arrived of {', '.join(wrong)} is not what was sent.")
        return place

    def _fetch(self, place: str, names: Iterable[str], folder: Path, what: str) -> None:
        """Copy the files of the place that are there."""
        from retuner.storage.blob_address import fetch

        addresses = self._models.read_addresses(place, what)
        with ThreadPoolExecutor(TRANSFERS) as pool:
            jobs = [
                pool.submit(fetch, addresses[f"{FOLDER}/{name}"], folder / name, what=what)
                for name in names
                if f"{FOLDER}/{name}" in addresses
            ]
        for job in jobs:
            job.result()


def _shown_tags(metadata: Metadata) -> dict[str, str]:
    """What people see in the portal: as much as a version takes. All of it, as it was given, is in the record."""
    given: Mapping[str, object] = {**metadata.tags, **metadata.metrics, **metadata.parameters}
    shown = {plain_name(name): str(value)[:PART] for name, value in given.items()}
    shown.pop(CHAMPION, None)
    return dict(list(shown.items())[:MOST])


def _parts(record: str) -> dict[str, str]:
    """The record as properties. Raises UserError where it is longer than a version takes."""
    # compact, and spaces in values escaped: at the end of a part they might be cut off
    record = json.dumps(json.loads(record), sort_keys=True, separators=(",", ":")).replace(" ", "\\u0020")
    texts = [record[first : first + PART] for first in range(0, len(record), PART)]
    if len(texts) > MOST:
        raise UserError(
            f"The record of the model version has {len(record)} characters, and Azure ML keeps {PART * MOST}: let the "
            f"recipe report fewer metrics or parameters, or register in MLflow."
        )
    return {f"{RECORD}{number:02d}": text for number, text in enumerate(texts)}


def _is_whole(stored: StoredModel) -> bool:
    return any(name.startswith(RECORD) for name in stored.properties)


def _record(stored: StoredModel) -> VersionRecord:
    names = sorted(name for name in stored.properties if name.startswith(RECORD))
    return VersionRecord.from_json("".join(stored.properties[name] for name in names))


def _sequence(name: str, stored: StoredModel) -> int:
    text = stored.tags[CHAMPION]
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise UnusableVersion(
            f"Version {stored.version} of {name} has the tag {CHAMPION}={text!r}, where a whole number belongs: "
            f"remove it in the portal."
        )
    return int(text)


if TYPE_CHECKING:
    _: Registry = AzureMlRegistry(WorkspaceName("", "", ""))
