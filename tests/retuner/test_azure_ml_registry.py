"""The registry in an emulated workspace: what people see there, faults at every request, and what a model is for."""

import json
import os
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS
from azure_ml_registry_backend import EmulatedWorkspace, azure_ml_workspace

from retuner.azure_ml.workspace import WorkspaceName
from retuner.errors import RetryableError, UnusableVersion, UserError
from retuner.registry.azure_ml import MOST, PART, AzureMlRegistry
from retuner.registry.registry import Metadata, Registry

__all__ = ["azure_ml_workspace"]
pytestmark = SDK_WARNINGS
METADATA = Metadata(
    metrics={"gain@1": 0.9},
    parameters={"trees": 300},
    tags={"dataset": "sample-0a1b", "study": "FAQ-1", "snapshot": "ff00", "git_commit": "c0ffee"},
)
MODELS, ASSETS, FILES = "/models$", "/assets$", "/artifacts/batch/metadata/"
BLOB_OF_A_MODEL = "/LocalUpload/"
REGISTERING = [("GET", MODELS), ("POST", FILES), ("PUT", BLOB_OF_A_MODEL), ("POST", ASSETS), ("POST", MODELS)]


@pytest.fixture
def workspace(azure_ml_workspace: EmulatedWorkspace):
    azure_ml_workspace.clear_models()
    yield azure_ml_workspace
    azure_ml_workspace.emulator.faults.clear()


@pytest.fixture
def registry(workspace) -> AzureMlRegistry:
    return workspace.registry()


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.joblib").write_text("a model")
    (folder / "seen.parquet").write_text("keys")
    (folder / "signature.json").write_text('{"inputs": [{"name": "text", "type": "string"}], "output": "double"}')
    with zipfile.ZipFile(folder / "snapshot.zip", "w") as archive:
        archive.writestr("retuner_training/__init__.py", "")
        archive.writestr(
            "retuner_training/model.py",
            "from pathlib import Path\n"
            "class Model:\n"
            "    def predict(self, frame):\n"
            "        return [self.text] * len(frame)\n"
            "def _load_pyfunc(path):\n"
            "    model = Model()\n"
            "    model.text = Path(path).read_text()\n"
            "    return model\n",
        )
    return folder


def stored(workspace: EmulatedWorkspace) -> list[dict]:
    """The versions as the service holds them."""
    return workspace.emulator.inspect(lambda service: [dict(one) for one in service.state.models.values()])


def test_people_see_what_a_version_is_in_its_tags(registry, workspace, folder):
    registry.register("FAQ", folder, METADATA, "key")
    (model,) = stored(workspace)
    assert model["kvTags"] == {**METADATA.tags, "gain_at_1": "0.9", "trees": "300"}
    assert model["properties"]["retuner.key"] == "key"


def test_a_version_has_a_page_in_the_portal(registry, workspace, folder):
    uri = registry.register("FAQ", folder, METADATA, "key").uri
    assert uri == f"https://ml.azure.com/model/FAQ:1/details?wsid={workspace.emulator.settings.scope}"


def test_much_metadata_stays_within_what_a_version_takes(registry, workspace, folder):
    many = {f"p{number}": "x " * 8 for number in range(100)}
    metadata = replace(METADATA, parameters={**many, "champion": 5, "long": "y" * 400})
    made = registry.register("FAQ", folder, metadata, "key")
    registry.set_champion("FAQ", made.version)
    (model,) = stored(workspace)
    for held in (model["kvTags"], model["properties"]):
        assert len(held) <= 50
        assert all(len(name) <= 100 and len(value) <= PART for name, value in held.items())
    assert model["kvTags"]["champion"] == "1"
    assert all(" " not in part for part in model["properties"].values())
    assert registry.champion("FAQ").parameters == metadata.parameters


def test_a_record_that_is_too_long_is_refused_before_anything_is_sent(registry, workspace, folder):
    metadata = replace(METADATA, parameters={"text": "x" * PART * MOST})
    with pytest.raises(UserError, match=r"has \d+ characters, and Azure ML keeps 11250"):
        registry.register("FAQ", folder, metadata, "key")
    assert workspace.emulator.inspect(lambda service: dict(service.state.artifacts)) == {}


def test_nothing_is_printed_and_the_working_directory_stays(registry, folder, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    registry.register("FAQ", folder, METADATA, "key")
    registry.set_champion("FAQ", "1")
    registry.set_champion("FAQ", "1")
    registry.download(registry.champion("FAQ"), tmp_path / "down")
    assert capfd.readouterr().out == ""
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("applied", [False, True], ids=["refused", "done-but-unanswered"])
@pytest.mark.parametrize("kind", [FaultKind.THROTTLED, FaultKind.ERROR, FaultKind.UNAVAILABLE, FaultKind.RESET])
@pytest.mark.parametrize(("method", "path"), REGISTERING, ids=["list", "files", "upload", "asset", "version"])
def test_a_fault_at_any_request_leaves_one_version_in_the_end(registry, workspace, folder, method, path, kind, applied):
    workspace.emulator.faults.add(FaultRule(method, path, kind, times=3, seconds=0.01, applied=applied))
    made = None
    while made is None:  # as the stage's retries do it
        with suppress(RetryableError):
            made = registry.register("FAQ", folder, METADATA, "key")
    assert [version.version for version in registry.versions("FAQ")] == [made.version]
    registry.download(made, folder.parent / "down")


@pytest.mark.parametrize(("method", "path"), [*REGISTERING, ("GET", "/workspaces/emulated$")])
def test_a_missing_role_is_named(workspace, folder, method, path):
    workspace.emulator.faults.add(FaultRule(method, path, FaultKind.FORBIDDEN, times=100))
    with pytest.raises(UserError, match=r"AzureML Data Scientist|firewall") as caught:
        workspace.registry().register("FAQ", folder, METADATA, "key")
    assert "sig=" not in str(caught.value)
    assert stored(workspace) == []


def test_an_unknown_workspace_names_the_parameters(workspace):
    name = replace(workspace.name, workspace="elsewhere")
    with pytest.raises(UserError, match=r"in the workspace elsewhere cannot be listed: .*registry\.workspace"):
        AzureMlRegistry(name).champion("FAQ")


def test_a_wrong_secret_says_how_to_sign_in(workspace, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "another")
    with pytest.raises(UserError, match="AZURE_CLIENT_SECRET") as caught:
        workspace.registry().champion("FAQ")
    assert "another" not in str(caught.value).replace("another change", "")


def test_the_login_of_the_command_line_az_is_enough(workspace, folder, tmp_path, monkeypatch):
    audience = "https://management.core.windows.net/"
    token = workspace.emulator.inspect(lambda service: service.tokens.issue("a person", audience, 3600))
    az = tmp_path / "bin" / "az"
    az.parent.mkdir()
    answer = json.dumps({"accessToken": token, "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"})
    az.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\necho '{answer}'\n")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", f"{az.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    assert workspace.registry().register("FAQ", folder, METADATA, "key").version == "1"
    assert (tmp_path / "asked").read_text() == "asked\n", "a token is asked for once, not for every request"


def test_no_sign_in_at_all_says_how_to_sign_in(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    with pytest.raises(UserError, match=r"no identity was found on this machine .* sign in with `az login`"):
        workspace.registry().champion("FAQ")


def test_an_expired_token_is_renewed_unnoticed(registry, workspace, folder):
    registry.register("FAQ", folder, METADATA, "key")
    workspace.emulator.faults.add(FaultRule("POST", FILES, FaultKind.EXPIRED))
    assert registry.register("FAQ", folder, METADATA, "other").version == "2"


def test_a_service_that_does_not_answer_is_told_as_such(workspace):
    registry = workspace.registry(call_seconds=1.0)
    workspace.emulator.faults.add(FaultRule("GET", MODELS, FaultKind.HANG))
    with pytest.raises(RetryableError, match="did not answer within 1 s"):
        registry.versions("FAQ")


def test_what_arrived_otherwise_than_it_was_sent_is_no_version(registry, workspace, folder, monkeypatch):
    from retuner.storage import blob_address

    def send(file: Path, address: str, *, what: str) -> None:
        if file.name == "seen.parquet":
            file.write_text("bits that fell over")
        real_send(file, address, what=what)

    real_send = blob_address.send
    monkeypatch.setattr(blob_address, "send", send)
    with pytest.raises(RetryableError, match=r"what arrived of data/seen\.parquet is not what was sent"):
        registry.register("FAQ", folder, METADATA, "key")
    assert stored(workspace) == []


# versions and tags that others made


def test_versions_that_others_made_are_in_nobodys_way(registry, workspace, folder):
    register_as_others_do(workspace, {})
    made = registry.register("FAQ", folder, METADATA, "key")
    assert made.version == "2"
    assert [version.version for version in registry.versions("FAQ")] == ["2"]
    assert registry.champion("FAQ") is None
    with pytest.raises(UserError, match=r"no version '1' to make the champion; its versions: 2"):
        registry.set_champion("FAQ", "1")


def test_a_champion_that_others_made_is_named(registry, workspace, folder):
    registry.register("FAQ", folder, METADATA, "key")
    registry.set_champion("FAQ", "1")
    register_as_others_do(workspace, {"champion": "9"})
    with pytest.raises(UnusableVersion, match="Version 2 of FAQ in the workspace emulated was not registered by"):
        registry.champion("FAQ")
    registry.set_champion("FAQ", "1")
    assert registry.champion("FAQ").version == "1"


def test_a_champion_tag_that_is_no_number_is_named(registry, workspace):
    register_as_others_do(workspace, {"champion": "yes"})
    with pytest.raises(UnusableVersion, match="has the tag champion='yes', where a whole number belongs"):
        registry.champion("FAQ")


def test_a_version_that_was_deleted_is_told_as_missing(registry, workspace, folder, tmp_path):
    made = registry.register("FAQ", folder, METADATA, "key")
    workspace.clear_models()
    with pytest.raises(UnusableVersion, match="There is no version 1 of FAQ that retuner made"):
        registry.download(made, tmp_path / "down")


def register_as_others_do(workspace: EmulatedWorkspace, tags: dict[str, str]) -> None:
    """Add a version from the portal or from another program."""

    def add(service) -> None:
        own = {"id": "", "name": "FAQ", "version": len(service.state.models) + 1, "url": "aml://asset/none"}
        own["id"] = f"FAQ:{own['version']}"
        times = {"createdTime": "2026-01-01T00:00:00Z", "modifiedTime": "2026-01-01T00:00:00Z"}
        service.state.models[own["id"]] = {**own, **times, "kvTags": tags, "properties": {}}

    workspace.emulator.inspect(add)


# what a model is for


LOAD = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps([list(model.predict(pandas.DataFrame({"text": ["a", "b"]}))), model.metadata.signature.to_dict()]))
"""


def test_a_downloaded_version_is_an_mlflow_model_with_its_code_and_signature(registry, workspace, folder, tmp_path):
    from azureml.core.model import Model

    from retuner.azure_ml.calls import default_sign_in

    registry.register("FAQ", folder, METADATA, "key")
    registry.set_champion("FAQ", "1")
    model = find_champion(workspace.name, default_sign_in(), Model)
    path = model.download(str(tmp_path / "elsewhere"))
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOAD, path], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers, signature = json.loads(done.stdout.splitlines()[-1])
    assert answers == ["a model", "a model"]
    assert json.loads(signature["inputs"])[0]["name"] == "text"


def find_champion(name: WorkspaceName, sign_in, model_class):
    """As docs/model.md does it."""
    from azureml.core import Workspace

    workspace = Workspace(name.subscription_id, name.resource_group, name.workspace, auth=sign_in)
    versions = model_class.list(workspace, "FAQ", tags=["champion"])
    return max(versions, key=lambda version: int(version.tags["champion"]))


def test_it_conforms_to_the_protocol(registry):
    typed: Registry = registry
    assert typed.versions("FAQ") == []
