"""Model versions in MLflow: a database for the registry, a folder (or the server's own store) for the files.

A version is registered in steps, each of which can be repeated: a run that carries the key, its files, the version,
and last the version's record. A version without a record was interrupted, and is finished by the next call.
"""

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from retuner.errors import UnusableVersion, UserError
from retuner.registry import mlflow_database
from retuner.registry.mlflow_database import StoredVersion
from retuner.registry.mlflow_errors import translated
from retuner.registry.mlflow_model import write_model
from retuner.registry.registry import Metadata, ModelVersion, Registry
from retuner.registry.version_record import VersionRecord, check_key, check_model_name, copy_checked, plain_name

ALIAS = "champion"
KEY_TAG = "retuner.key"
RECORD_TAG = "retuner.record"

_PAGE = 200


class MlflowRegistry:
    """Model versions in the MLflow at `tracking_uri`; a SQLite file is created where there is none.

    `artifact_root` is the folder for the files of the versions, by default `artifacts` beside the SQLite file.
    A tracking server (http) decides for itself where files go, and an experiment of the model's name that is there
    already says where those of its model go.
    """

    def __init__(self, tracking_uri: str, *, artifact_root: Path | None = None) -> None:
        _silence_mlflow()
        self._uri = tracking_uri
        self._database = mlflow_database.database_file(tracking_uri)
        if artifact_root is None and self._database is not None:
            artifact_root = self._database.parent / "artifacts"
        self._artifact_root = None if tracking_uri.startswith(("http", "databricks")) else artifact_root

    def register(self, name: str, folder: Path, metadata: Metadata, key: str) -> ModelVersion:
        """Register the files in `folder` (model.joblib, snapshot.zip and what else there is) as the next version."""
        check_model_name(name)
        check_key(key)
        with translated(f"registering {folder} as {name} in {self._shown}"):
            for version in self._whole_versions(name):
                if version.key == key:
                    return version
            record = VersionRecord.of(folder, metadata, key)
            run_id = self._run(name, key, metadata)
            self._log(run_id, folder, metadata)
            number = self._open_version(name, run_id, record)
            self._client.set_model_version_tag(name, number, RECORD_TAG, record.to_json())
            return _version(name, number, record)

    def versions(self, name: str) -> list[ModelVersion]:
        """All whole versions, newest first."""
        check_model_name(name)
        if self._database is not None and not self._database.exists():
            return []
        with translated(f"listing the versions of {name} in {self._shown}"):
            return self._whole_versions(name)

    def champion(self, name: str) -> ModelVersion | None:
        """The version that the alias `champion` points to, None where there is no alias yet."""
        check_model_name(name)
        found = self._look_up(name, number=None)
        return None if found is None else _version(name, found.number, self._record(name, found))

    def set_champion(self, name: str, version: str) -> None:
        """Point the alias `champion` to `version`."""
        known = [one.version for one in self.versions(name)]
        if version not in known:
            listed = ", ".join(known) or "none"
            raise UserError(f"{name} has no version {version!r} to make the champion; its versions: {listed}.")
        with translated(f"making version {version} the champion of {name} in {self._shown}"):
            self._client.set_registered_model_alias(name, ALIAS, version)

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Copy the version's files into `folder`, hashes checked. Returns the folder."""
        found = self._look_up(version.name, number=version.version)
        if found is None:
            raise UnusableVersion(f"The registry {self._shown} has no version {version.version} of {version.name}.")
        files = self._record(version.name, found).files
        with translated(f"downloading version {version.version} of {version.name} in {self._shown}"):
            local = _local_path(found.location)
            if local is not None:
                return copy_checked(local / "data", folder, files, shown=str(local / "data"))
            with tempfile.TemporaryDirectory() as scratch:
                fetched = self._fetch(found.location, Path(scratch))
                return copy_checked(fetched, folder, files, shown=f"{found.location}/data")

    @cached_property
    def _client(self) -> Any:
        try:
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise UserError(f"MLflow cannot be imported ({error}): run `pip install mlflow-skinny alembic`.") from error
        if self._database is not None:
            _open_database(self._database)
        try:
            client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
            client.search_registered_models(max_results=1)
        except MlflowException as error:
            # by default an outdated schema is INTERNAL_ERROR, which would be tried again
            if "db upgrade" in error.message:
                raise UserError(f"The model registry {self._shown} cannot be opened: {error.message}") from error
            raise
        return client

    @property
    def _shown(self) -> str:
        """The address without a password."""
        parts = urlsplit(self._uri)
        return self._uri.replace(f":{parts.password}@", ":***@") if parts.password else self._uri

    def _whole_versions(self, name: str) -> list[ModelVersion]:
        found = []
        for stored in self._stored_versions(name):
            record = stored.tags.get(RECORD_TAG)
            if record is not None:
                found.append(_version(name, str(stored.version), VersionRecord.from_json(record)))
        return sorted(found, key=lambda version: int(version.version), reverse=True)

    def _stored_versions(self, name: str) -> list[Any]:
        stored: list[Any] = []
        token = None
        while True:
            page = self._client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token)
            stored.extend(page)
            token = page.token
            if not token:
                return stored

    def _run(self, name: str, key: str, metadata: Metadata) -> str:
        """The MLflow run of this key; made where there is none.

        MLflow keeps the first value of a parameter for good, so that a run which was interrupted with other values
        than now is left behind.
        """
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            location = None if self._artifact_root is None else (self._artifact_root.absolute() / name).as_uri()
            experiment_id = self._client.create_experiment(name, artifact_location=location)
        elif experiment.lifecycle_stage == "deleted":
            raise UserError(
                f"The MLflow experiment {name} was deleted: restore it with `mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}`, or choose another model name."
            )
        else:
            experiment_id = experiment.experiment_id
        for run in self._client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{key}'"):
            if run.data.params.items() <= _logged_parameters(metadata).items() and (
                run.data.metrics.items() <= _logged_metrics(metadata).items()
            ):
                return str(run.info.run_id)
        return str(self._client.create_run(experiment_id, run_name=key, tags={KEY_TAG: key}).info.run_id)

    def _log(self, run_id: str, folder: Path, metadata: Metadata) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(name, value, 0, 0) for name, value in _logged_metrics(metadata).items()]
        parameters = [Param(name, value) for name, value in _logged_parameters(metadata).items()]
        tags = [RunTag(name, value) for name, value in metadata.tags.items()]
        self._client.log_batch(run_id, metrics=metrics, params=parameters, tags=tags)
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / "model"
            write_model(folder, model)
            self._client.log_artifacts(run_id, str(model), "model")
        self._client.set_terminated(run_id)

    def _open_version(self, name: str, run_id: str, record: VersionRecord) -> str:
        """The number of this run's model version; made where there is none."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        for stored in self._stored_versions(name):
            if stored.run_id == run_id:
                return str(stored.version)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
        tags = {**record.tags, KEY_TAG: record.key}
        made = self._client.create_model_version(name, source, run_id, tags=tags, await_creation_for=0)
        return str(made.version)

    def _look_up(self, name: str, *, number: str | None) -> StoredVersion | None:
        """Version `number`, or the champion where it is None."""
        if self._database is not None:
            try:
                if number is None:
                    return mlflow_database.find_alias(self._database, name, alias=ALIAS, record_tag=RECORD_TAG)
                return mlflow_database.find_version(self._database, name, number=number, record_tag=RECORD_TAG)
            except mlflow_database.UnknownSchema:
                pass  # a new or another version of MLflow's tables: MLflow itself knows them
        with translated(f"looking for a version of {name} in {self._shown}"):
            return self._ask_mlflow(name, number)

    def _ask_mlflow(self, name: str, number: str | None) -> StoredVersion | None:
        client = self._client
        from mlflow.exceptions import MlflowException

        try:
            if number is None:
                stored = client.get_model_version_by_alias(name, ALIAS)
            else:
                stored = client.get_model_version(name, number)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or "alias champion not found" in error.message:
                return None
            raise
        location = client.get_model_version_download_uri(name, stored.version)
        return StoredVersion(number=str(stored.version), location=location, record=stored.tags.get(RECORD_TAG))

    def _record(self, name: str, found: StoredVersion) -> VersionRecord:
        if found.record is None:
            whole = ", ".join(version.version for version in self.versions(name)) or "none"
            raise UnusableVersion(
                f"Version {found.number} of {name} in {self._shown} was not registered whole by retuner: "
                f"point the alias {ALIAS} to one of its whole versions ({whole})."
            )
        return VersionRecord.from_json(found.record)

    def _fetch(self, location: str, folder: Path) -> Path:
        _ = self._client
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(f"{location}/data", dst_path=str(folder), tracking_uri=self._uri))


def _version(name: str, number: str, record: VersionRecord) -> ModelVersion:
    return record.version(name, number, f"models:/{name}/{number}")


def _silence_mlflow() -> None:
    """No telemetry, no search for git, no progress on the terminal: read by MLflow when it is imported."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # its errors are raised as well as logged, and the raised one is what people are shown
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    # its own seven take four minutes for a server that is away, and tasks try again as well
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


def _open_database(path: Path) -> None:
    """Make the SQLite file where there is none. Raises UserError for one that cannot be opened."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create_database(path)
        # MLflow itself would try a damaged file ten times, for over a minute
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")
    except (OSError, sqlite3.DatabaseError) as error:
        raise UserError(
            f"The model registry {path} cannot be opened ({error}): "
            "check the folder's permissions, restore the file from a backup, or move it away to start anew."
        ) from error


def _create_database(path: Path) -> None:
    """Have MLflow make its tables under another name first: killed in the middle, they could never be finished."""
    from mlflow.tracking import MlflowClient

    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        draft = Path(scratch) / path.name
        MlflowClient(tracking_uri=f"sqlite:///{draft}", registry_uri=f"sqlite:///{draft}").search_registered_models()
        with suppress(FileExistsError):  # another process was faster
            path.hardlink_to(draft)


def _logged_metrics(metadata: Metadata) -> dict[str, float]:
    """Under names that MLflow takes; our own are in the version's record."""
    return {plain_name(name): value for name, value in metadata.metrics.items()}


def _logged_parameters(metadata: Metadata) -> dict[str, str]:
    return {name: str(value) for name, value in metadata.parameters.items()}


def _local_path(location: str) -> Path | None:
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme else Path(location)


if TYPE_CHECKING:
    _: Registry = MlflowRegistry("sqlite:///mlflow.sqlite")
