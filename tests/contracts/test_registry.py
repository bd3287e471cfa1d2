"""What every registry promises, whichever backend keeps the model versions.

A backend joins by a class that inherits `RegistryContract` and says how it is opened, which of its calls can be
interrupted, and where it keeps a file.
"""

import itertools
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure_ml_emulator.client import SDK_WARNINGS
from azure_ml_registry_backend import EmulatedWorkspace, azure_ml_workspace

from retuner.errors import UserError
from retuner.registry.mlflow import MlflowRegistry
from retuner.registry.registry import Metadata, Registry

__all__ = ["azure_ml_workspace"]
METADATA = Metadata(
    metrics={"gain@1": 0.1 + 0.2, "gain@3": 1.0, "log_loss": -0.5},
    parameters={"trees": 300, "rate": 0.05, "kind": "ranker", "balanced": True},
    tags={"dataset": "sample-0a1b", "study": "FAQ-0a1b2c3d-1", "snapshot": "ff00", "git_commit": "c0ffee"},
)


class Killed(BaseException):
    """Stands for the end of the process: no handler of the registry may catch it."""


@contextmanager
def killed_before_call(clients: tuple[type, ...], number: int) -> Iterator[None]:
    """End the block with Killed in place of the `number`-th call of a public method of the clients."""
    counter = itertools.count(1)

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(counter) == number:
                raise Killed
            return method(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for client in clients:
            for name in dir(client):
                if not name.startswith("_") and callable(getattr(client, name)):
                    patch.setattr(client, name, wrapped(getattr(client, name)))
        yield


def write_folder(folder: Path, model: str = "a model") -> Path:
    """A folder as the flow registers it."""
    folder.mkdir(parents=True)
    (folder / "model.joblib").write_text(model)
    (folder / "seen.parquet").write_text("keys")
    with zipfile.ZipFile(folder / "snapshot.zip", "w") as archive:
        archive.writestr("retuner_training/__init__.py", "")
        archive.writestr("retuner_training/model.py", "")
    return folder


class RegistryContract:
    """The suite. Subclasses fill in the methods below."""

    def open(self, home: Path) -> Registry:
        """A fresh registry object on what lies in `home`."""
        raise NotImplementedError

    def clients(self) -> tuple[type, ...]:
        """The classes whose public methods are the calls that a kill can fall between."""
        raise NotImplementedError

    def write_stored(self, home: Path, name: str, text: str | None) -> None:
        """Replace the only version's file `name` by the text, or remove it for None."""
        raise NotImplementedError

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """A place for one registry, with a space in its name."""
        return tmp_path / "the home"

    @pytest.fixture
    def registry(self, home: Path) -> Registry:
        return self.open(home)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return write_folder(tmp_path / "folder")

    def test_an_empty_registry_has_no_versions_and_no_champion(self, registry: Registry) -> None:
        assert registry.versions("FAQ") == []
        assert registry.champion("FAQ") is None

    def test_versions_are_numbered_from_one_and_listed_newest_first(self, registry: Registry, folder: Path) -> None:
        made = [registry.register("FAQ", folder, METADATA, f"key-{number}").version for number in (1, 2, 3)]
        assert made == ["1", "2", "3"]
        assert [version.version for version in registry.versions("FAQ")] == ["3", "2", "1"]

    def test_ten_versions_are_ordered_by_number_not_by_text(self, registry: Registry, folder: Path) -> None:
        for number in range(1, 11):
            registry.register("FAQ", folder, METADATA, f"key-{number}")
        assert [version.version for version in registry.versions("FAQ")][:2] == ["10", "9"]

    def test_metrics_parameters_and_tags_come_back_as_they_went_in(
        self, registry: Registry, home: Path, folder: Path
    ) -> None:
        made = registry.register("FAQ", folder, METADATA, "key")
        registry.set_champion("FAQ", "1")
        fresh = self.open(home)
        for version in (made, fresh.versions("FAQ")[0], fresh.champion("FAQ")):
            assert version is not None
            assert version.key == "key"
            assert version.metrics == METADATA.metrics
            assert version.parameters == METADATA.parameters
            assert version.tags == METADATA.tags

    def test_the_same_key_gives_the_same_version(self, registry: Registry, home: Path, folder: Path) -> None:
        first = registry.register("FAQ", folder, METADATA, "key")
        registry.register("FAQ", folder, METADATA, "another")
        assert registry.register("FAQ", folder, METADATA, "key") == first
        assert self.open(home).register("FAQ", folder, METADATA, "key") == first
        assert len(registry.versions("FAQ")) == 2

    def test_two_names_do_not_mix(self, registry: Registry, tmp_path: Path, folder: Path) -> None:
        one = registry.register("FAQ", folder, METADATA, "key")
        other = registry.register("FAQ_2", write_folder(tmp_path / "other", "another model"), METADATA, "key")
        registry.set_champion("FAQ", "1")
        assert (one.version, other.version) == ("1", "1")
        assert registry.champion("FAQ_2") is None
        assert (registry.download(other, tmp_path / "down") / "model.joblib").read_text() == "another model"

    def test_the_champion_moves(self, registry: Registry, home: Path, folder: Path) -> None:
        for key in ("a", "b"):
            registry.register("FAQ", folder, METADATA, key)
        assert registry.champion("FAQ") is None
        for number in ("1", "2", "1"):
            registry.set_champion("FAQ", number)
            for reader in (registry, self.open(home)):
                champion = reader.champion("FAQ")
                assert champion is not None
                assert champion.version == number

    def test_a_champion_that_does_not_exist_is_refused_with_those_that_do(
        self, registry: Registry, folder: Path
    ) -> None:
        registry.register("FAQ", folder, METADATA, "a")
        with pytest.raises(UserError, match=r"no version '7'.*its versions: 1"):
            registry.set_champion("FAQ", "7")
        assert registry.champion("FAQ") is None

    def test_a_kill_between_any_two_calls_of_register_leaves_one_whole_version(self, home: Path, folder: Path) -> None:
        for call in itertools.count(1):
            name = f"FAQ_{call}"
            try:
                with killed_before_call(self.clients(), call):
                    self.open(home).register(name, folder, METADATA, "key")
                break
            except Killed:
                pass
            assert self.open(home).champion(name) is None
            assert self.open(home).versions(name) == [], f"killed before call {call}"
            repaired = self.open(home).register(name, folder, METADATA, "key")
            assert self.open(home).versions(name) == [repaired], f"killed before call {call}"
            assert repaired.version == "1"
            self.open(home).download(repaired, home / f"down-{call}")
        assert call > 3

    def test_a_kill_between_any_two_calls_of_set_champion_keeps_one_champion(self, home: Path, folder: Path) -> None:
        for key in ("a", "b"):
            self.open(home).register("FAQ", folder, METADATA, key)
        self.open(home).set_champion("FAQ", "1")
        for call in itertools.count(1):
            try:
                with killed_before_call(self.clients(), call):
                    self.open(home).set_champion("FAQ", "2")
                break
            except Killed:
                pass
            champion = self.open(home).champion("FAQ")
            assert champion is not None
            assert champion.version in ("1", "2")
            self.open(home).set_champion("FAQ", "1")
        champion = self.open(home).champion("FAQ")
        assert champion is not None
        assert champion.version == "2"
        assert call > 1

    def test_an_interrupted_version_stays_out_of_the_way_of_the_next(self, home: Path, folder: Path) -> None:
        calls = 0
        for calls in itertools.count(1):
            try:
                with killed_before_call(self.clients(), calls):
                    self.open(home).register(f"count_{calls}", folder, METADATA, "key")
                break
            except Killed:
                pass
        with pytest.raises(Killed), killed_before_call(self.clients(), calls - 1):  # its last call
            self.open(home).register("FAQ", folder, METADATA, "interrupted")
        whole = self.open(home).register("FAQ", folder, METADATA, "next")
        assert self.open(home).versions("FAQ") == [whole]
        repaired = self.open(home).register("FAQ", folder, METADATA, "interrupted")
        assert {version.key for version in self.open(home).versions("FAQ")} == {"interrupted", "next"}
        assert repaired.version != whole.version

    def test_the_files_come_back(self, registry: Registry, tmp_path: Path, folder: Path) -> None:
        (folder / "deeper").mkdir()
        (folder / "deeper" / "scores.parquet").write_bytes(b"\x00\x01")
        version = registry.register("FAQ", folder, METADATA, "key")
        down = registry.download(version, tmp_path / "new" / "down")
        for path in folder.rglob("*"):
            if path.is_file():
                assert (down / path.relative_to(folder)).read_bytes() == path.read_bytes()

    def test_a_corrupted_file_is_named_and_nothing_is_left(
        self, registry: Registry, home: Path, tmp_path: Path, folder: Path
    ) -> None:
        version = registry.register("FAQ", folder, METADATA, "key")
        self.write_stored(home, "seen.parquet", "kexs")
        with pytest.raises(UserError, match=r"seen\.parquet was changed after it was registered"):
            registry.download(version, tmp_path / "downloads" / "down")
        assert list((tmp_path / "downloads").iterdir()) == []

    def test_a_missing_file_is_named_and_nothing_is_overwritten(
        self, registry: Registry, home: Path, tmp_path: Path, folder: Path
    ) -> None:
        version = registry.register("FAQ", folder, METADATA, "key")
        down = registry.download(version, tmp_path / "down")
        (down / "model.joblib").write_text("the user's")
        self.write_stored(home, "snapshot.zip", None)
        with pytest.raises(UserError, match=r"snapshot\.zip is missing"):
            registry.download(version, down)
        assert (down / "model.joblib").read_text() == "the user's"

    @pytest.mark.parametrize("name", ["", "a/b", "a:b", "1st", "a b", "../up", "x" * 65])
    def test_a_bad_model_name_is_refused(self, registry: Registry, folder: Path, name: str) -> None:
        with pytest.raises(UserError, match="no model name"):
            registry.register(name, folder, METADATA, "key")
        with pytest.raises(UserError, match="no model name"):
            registry.champion(name)

    def test_a_folder_without_a_model_is_refused(self, registry: Registry, folder: Path) -> None:
        (folder / "model.joblib").unlink()
        with pytest.raises(UserError, match=r"lacks model\.joblib"):
            registry.register("FAQ", folder, METADATA, "key")
        assert registry.versions("FAQ") == []


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: making them takes a second."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.sqlite"
    registry = MlflowRegistry(f"sqlite:///{path}")
    registry.register("warm", write_folder(path.parent / "folder"), METADATA, "key")
    return path


class TestMlflow(RegistryContract):
    """MLflow on a SQLite file; the champion is looked up without MLflow."""

    scheme = "sqlite"

    @pytest.fixture(autouse=True)
    def _tables(self, home: Path, mlflow_database: Path) -> None:
        home.mkdir()
        shutil.copyfile(mlflow_database, home / "mlflow.sqlite")

    def open(self, home: Path) -> Registry:
        return MlflowRegistry(f"{self.scheme}:///{home / 'mlflow.sqlite'}", artifact_root=home / "artifacts")

    def clients(self) -> tuple[type, ...]:
        from mlflow.tracking import MlflowClient

        return (MlflowClient,)

    def write_stored(self, home: Path, name: str, text: str | None) -> None:
        (file,) = (home / "artifacts").rglob(f"data/{name}")
        if text is None:
            file.unlink()
        else:
            file.write_text(text)


class TestMlflowByItsClient(TestMlflow):
    """The same, with every look-up through MLflow's client: what a tracking server or PostgreSQL gets."""

    scheme = "sqlite+pysqlite"


@SDK_WARNINGS
class TestAzureMl(RegistryContract):
    """The model registry of an emulated workspace, through the real SDK."""

    @pytest.fixture(autouse=True)
    def _empty_workspace(self, azure_ml_workspace: EmulatedWorkspace) -> None:
        self.workspace = azure_ml_workspace
        self.workspace.clear_models()

    def open(self, home: Path) -> Registry:
        return self.workspace.registry()

    def clients(self) -> tuple[type, ...]:
        from azureml._restclient.artifacts_client import ArtifactsClient
        from azureml._restclient.assets_client import AssetsClient
        from azureml._restclient.models_client import ModelsClient

        return (ArtifactsClient, AssetsClient, ModelsClient)

    def write_stored(self, home: Path, name: str, text: str | None) -> None:
        self.workspace.write_stored(f"data/{name}", text)
