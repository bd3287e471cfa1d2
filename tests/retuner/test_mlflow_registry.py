"""What is particular to MLflow: its errors, its noise, its models, and the look-up that goes without it."""

import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retuner.errors import RetryableError, RetunerError, UserError
from retuner.parameters import MlflowRegistry as MlflowParameters
from retuner.registry import mlflow_database, open_registry
from retuner.registry.mlflow import MlflowRegistry
from retuner.registry.mlflow_errors import TRANSIENT, translated
from retuner.registry.registry import Metadata
from retuner.settings import Settings

METADATA = Metadata(metrics={"gain@1": 0.9}, parameters={"trees": 3}, tags={"dataset": "d", "study": "s"})
LOADER = """
import joblib

class Equal:
    def __init__(self, weight):
        self.weight = weight

    def predict(self, frame, params=None):
        return (frame["text_x"] == frame["text_y"]) * self.weight

def _load_pyfunc(path):
    return Equal(joblib.load(path))
"""
SIGNATURE = (
    '{"inputs": [{"name": "text_x", "type": "string"}, {"name": "text_y", "type": "string"}], "output": "double"}'
)
NO_NETWORK = """
import socket
def refuse(self, address, *rest):
    raise SystemExit(f"a connection to {address}")
socket.socket.connect = refuse
socket.getaddrinfo = lambda host, *rest, **more: refuse(None, host)
"""


def write_folder(folder: Path) -> Path:
    import joblib

    folder.mkdir(parents=True)
    joblib.dump(0.5, folder / "model.joblib")
    (folder / "seen.parquet").write_text("keys")
    (folder / "signature.json").write_text(SIGNATURE)
    with zipfile.ZipFile(folder / "snapshot.zip", "w") as archive:
        archive.writestr("retuner_training/__init__.py", "")
        archive.writestr("retuner_training/model.py", LOADER)
    return folder


def run_python(program: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program in another folder, with nothing in its environment that would quiet MLflow by itself."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """The home of a registry with one version, the champion, made by another process; and what that process said."""
    home = tmp_path_factory.mktemp("registered")
    folder = write_folder(home / "folder")
    program = f"""{NO_NETWORK}
from pathlib import Path
from retuner.registry.mlflow import MlflowRegistry
from retuner.registry.registry import Metadata
from retuner.settings import Settings
registry = MlflowRegistry("sqlite:///{home}/registry/mlflow.sqlite")
metadata = Metadata(metrics={{"gain@1": 0.9}}, parameters={{"trees": 3}}, tags={{"dataset": "d", "study": "s"}})
registry.register("FAQ", Path({str(folder)!r}), metadata, "key")
registry.set_champion("FAQ", "1")
"""
    return home, run_python(program, home)


@pytest.fixture
def registry(made: tuple[Path, object], tmp_path: Path) -> Iterator[MlflowRegistry]:
    """A registry of the test's own, with that version."""
    shutil.copyfile(made[0] / "registry" / "mlflow.sqlite", tmp_path / "mlflow.sqlite")
    return MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.sqlite")


def test_registering_in_a_new_place_says_nothing_and_connects_to_nothing(
    made: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    home, done = made
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in (home / "registry").iterdir()) == ["artifacts", "mlflow.sqlite"]
    assert sorted(path.name for path in home.iterdir()) == ["folder", "registry"]


def test_plain_mlflow_loads_the_champion_without_our_packages(made: tuple[Path, object]) -> None:
    home, _ = made
    program = f"""
import mlflow, pandas
mlflow.set_tracking_uri("sqlite:///{home}/registry/mlflow.sqlite")
model = mlflow.pyfunc.load_model("models:/FAQ@champion")
print(model.metadata.signature.inputs.input_names(), model.metadata.signature.outputs.to_dict()[0]["type"])
print(list(model.predict(pandas.DataFrame({{"text_x": ["a", "b"], "text_y": ["a", "c"]}}))))
"""
    done = run_python(program, home)
    assert done.stdout.splitlines() == ["['text_x', 'text_y'] double", "[0.5, 0.0]"], done.stderr


def test_the_champion_is_found_and_downloaded_without_importing_mlflow(made: tuple[Path, object]) -> None:
    home, _ = made
    program = f"""
import sys
from pathlib import Path
from retuner.registry.mlflow import MlflowRegistry
registry = MlflowRegistry("sqlite:///{home}/registry/mlflow.sqlite")
version = registry.champion("FAQ")
registry.download(version, Path("down"))
heavy = {{"mlflow", "sqlalchemy", "pandas"}} & set(sys.modules)
print(version.version, Path("down/model.joblib").exists(), sorted(heavy))
"""
    done = run_python(program, home)
    shutil.rmtree(home / "down")
    assert done.stdout == "1 True []\n", done.stderr


def test_people_find_metrics_parameters_and_tags_in_mlflow(registry: MlflowRegistry, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.sqlite", f"sqlite:///{tmp_path}/mlflow.sqlite")
    version = client.get_model_version_by_alias("FAQ", "champion")
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"gain_at_1": 0.9}
    assert run.data.params == {"trees": "3"}
    assert (version.tags["dataset"], version.tags["study"]) == ("d", "s")


def test_who_shares_the_database_file_shares_the_files(made: tuple[Path, object], tmp_path: Path) -> None:
    shared, hosts = tmp_path / "shared", [tmp_path / "first", tmp_path / "second"]
    shared.mkdir()
    shutil.copyfile(made[0] / "registry" / "mlflow.sqlite", shared / "mlflow.sqlite")
    first, second = (
        open_registry(MlflowParameters(), Settings(home, "", f"sqlite:///{shared / 'mlflow.sqlite'}")) for home in hosts
    )
    version = first.register("shared", write_folder(tmp_path / "folder"), METADATA, "shared-1")
    assert (second.download(version, tmp_path / "down") / "model.joblib").is_file()
    assert not hosts[0].exists()


def test_an_experiment_says_where_the_files_of_its_model_go(registry: MlflowRegistry, tmp_path: Path) -> None:
    registry._client.create_experiment("placed", artifact_location=(tmp_path / "placed").as_uri())
    version = registry.register("placed", write_folder(tmp_path / "folder"), METADATA, "placed-1")
    assert list((tmp_path / "placed").rglob("model.joblib"))
    assert (registry.download(version, tmp_path / "down") / "model.joblib").is_file()


def test_a_champion_that_people_move_in_mlflow_is_the_champion(registry: MlflowRegistry, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.sqlite", f"sqlite:///{tmp_path}/mlflow.sqlite")
    client.delete_registered_model_alias("FAQ", "champion")
    assert registry.champion("FAQ") is None
    client.create_model_version("FAQ", str(tmp_path), None)
    client.set_registered_model_alias("FAQ", "champion", "2")
    with pytest.raises(UserError, match=r"Version 2 of FAQ .* not registered whole by retuner: .* \(1\)"):
        registry.champion("FAQ")


def test_a_deleted_version_is_nobodys_champion(registry: MlflowRegistry, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    version = registry.versions("FAQ")[0]
    MlflowClient(f"sqlite:///{tmp_path}/mlflow.sqlite", f"sqlite:///{tmp_path}/mlflow.sqlite").delete_model_version(
        "FAQ", "1"
    )
    assert registry.champion("FAQ") is None
    assert registry.versions("FAQ") == []
    with pytest.raises(UserError, match="has no version 1 of FAQ"):
        registry.download(version, tmp_path / "down")


def test_tables_that_we_do_not_know_are_left_to_mlflow(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlike = mlflow_database._LOOK_UP.replace("model_version_tags", "tags_of_versions")
    monkeypatch.setattr(mlflow_database, "_LOOK_UP", unlike)
    with pytest.raises(mlflow_database.UnknownSchema):
        mlflow_database.find_version(tmp_path / "mlflow.sqlite", "FAQ", number="1", record_tag="x")
    champion = registry.champion("FAQ")
    assert champion is not None
    assert champion.version == "1"
    assert (registry.download(champion, tmp_path / "down") / "model.joblib").exists()


def test_a_copy_of_the_files_that_was_cut_short_is_made_whole(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    folder = write_folder(tmp_path / "folder")

    def cut_short(self: LocalArtifactRepository, source: str, path: str) -> None:
        target = Path(self.artifact_dir) / path / "data"
        target.mkdir(parents=True)
        (target / "model.joblib").write_bytes((Path(source) / "data" / "model.joblib").read_bytes()[:5])
        raise KeyboardInterrupt

    whole = LocalArtifactRepository.log_artifacts
    monkeypatch.setattr(LocalArtifactRepository, "log_artifacts", cut_short)
    with pytest.raises(KeyboardInterrupt):
        registry.register("FAQ", folder, METADATA, "cut")
    monkeypatch.setattr(LocalArtifactRepository, "log_artifacts", whole)
    version = registry.register("FAQ", folder, METADATA, "cut")
    down = registry.download(version, tmp_path / "down")
    assert (down / "model.joblib").read_bytes() == (folder / "model.joblib").read_bytes()


def test_a_registry_that_another_process_holds_can_be_asked_again(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_database, "PATIENCE", 0)
    with closing(sqlite3.connect(tmp_path / "mlflow.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RetryableError, match="locked by another process"):
            registry.champion("FAQ")
    assert registry.champion("FAQ") is not None


def test_a_damaged_registry_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.sqlite").write_text("This is no database, and never was one. " * 100)
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.sqlite")
    with pytest.raises(UserError, match=r"mlflow\.sqlite is damaged .* restore it from a backup"):
        registry.champion("FAQ")
    with pytest.raises(UserError, match=r"mlflow\.sqlite cannot be opened .* move it away"):
        registry.versions("FAQ")


def test_an_outdated_schema_names_the_command_that_upgrades_it(tmp_path: Path, registry: MlflowRegistry) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(UserError, match="mlflow db upgrade"):
        registry.versions("FAQ")


def test_a_snapshot_that_is_no_archive_is_named(registry: MlflowRegistry, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder")
    (folder / "snapshot.zip").write_text("no zip")
    with pytest.raises(UserError, match=r"snapshot\.zip is no zip archive"):
        registry.register("FAQ", folder, METADATA, "other")


@pytest.mark.parametrize("text", ["{", "[]", '{"inputs": []}', '{"inputs": [{"name": "x", "type": "text"}]}'])
def test_an_unusable_signature_is_named(registry: MlflowRegistry, tmp_path: Path, text: str) -> None:
    folder = write_folder(tmp_path / "folder")
    (folder / "signature.json").write_text(text)
    with pytest.raises(UserError, match=r"signature\.json is unusable"):
        registry.register("FAQ", folder, METADATA, "other")


def test_every_error_code_of_mlflow_becomes_one_of_our_errors() -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    assert set(ErrorCode.keys()) >= TRANSIENT
    retryable = set()
    for name, number in ErrorCode.items():
        with pytest.raises(RetunerError, match=f"{name}: the words") as caught, translated("doing this"):
            raise MlflowException("the words", error_code=number)
        if isinstance(caught.value, RetryableError):
            retryable.add(name)
    assert retryable == TRANSIENT


def test_a_server_that_is_away_can_be_asked_again() -> None:
    from requests.exceptions import ConnectTimeout
    from sqlalchemy.exc import OperationalError

    for error in (
        ConnectTimeout("the server"),
        ConnectionRefusedError(111, "refused"),
        OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked")),
    ):
        with pytest.raises(RetryableError, match="doing this"), translated("doing this"):
            raise error


def test_a_full_disk_and_a_faulty_table_are_for_people() -> None:
    from sqlalchemy.exc import ProgrammingError

    with pytest.raises(UserError, match=r"No space left on device.*free some space"), translated("doing this"):
        raise OSError(28, "No space left on device")
    with pytest.raises(UserError, match="no such column"), translated("doing this"):
        raise ProgrammingError("SELECT", {}, sqlite3.ProgrammingError("no such column"))


def test_a_fault_of_the_program_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), translated("doing this"):
        _ = 1 / 0
