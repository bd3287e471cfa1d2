"""Gate, registration and `retune ask` with an emulated workspace as the registry."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from azure_ml_emulator.client import SDK_WARNINGS
from azure_ml_registry_backend import EmulatedWorkspace, azure_ml_workspace
from retune_command import Retune
from stage_bench import StageBench

from retuner.registry.registry import Metadata
from retuner.stages.register import register_winner

__all__ = ["azure_ml_workspace"]
pytestmark = SDK_WARNINGS
ANSWERING = """
from retuner_training.errors import InvalidInput
class Model:
    def answer(self, text, top):
        return [{"id": 1, "question": "How?", "answer": f"{text}: like this", "probability": 0.75}][:top]
def load_model(path):
    return Model()
"""


@pytest.fixture
def workspace(azure_ml_workspace: EmulatedWorkspace) -> EmulatedWorkspace:
    azure_ml_workspace.clear_models()
    return azure_ml_workspace


def register(bench: StageBench, job: str):
    return register_winner(bench.bench, bench.study, bench.evaluate(job))


def test_the_gate_compares_with_the_champion_of_the_workspace(stage_bench, workspace):
    bench = stage_bench.with_registry(workspace.registry())
    first = register(bench, bench.train(quality=0.6, trial=3))
    better = register(bench, bench.train(quality=0.8, trial=5))
    assert (first.version, better.version) == ("1", "2")
    weaker = bench.train(quality=0.7, trial=7)
    evaluation = bench.evaluate(weaker)
    assert (evaluation.promote, evaluation.champion) == (False, "2")
    assert register_winner(bench.bench, bench.study, evaluation) is None
    champion = workspace.registry().champion("toy")
    assert champion == better
    assert {"dataset", "study", "snapshot", "git_commit", "recipe"} <= champion.tags.keys()


def answering(folder: Path) -> Path:
    """A version whose own code answers."""
    folder.mkdir()
    for name in ("model.joblib", "seen.parquet"):
        (folder / name).write_text(name)
    with zipfile.ZipFile(folder / "snapshot.zip", "w") as archive:
        archive.writestr("retuner_training/__init__.py", "")
        archive.writestr("retuner_training/errors.py", "class InvalidInput(Exception): ...")
        archive.writestr("retuner_training/model.py", ANSWERING)
    return folder


SAVE = """
import os
from prefect_azure import AzureMlCredentials
names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "SUBSCRIPTION", "GROUP", "WORKSPACE")
fields = ("tenant_id", "service_principal_id", "service_principal_password", "subscription_id", "resource_group")
given = dict(zip((*fields, "workspace_name"), (os.environ[name] for name in names), strict=True))
AzureMlCredentials(**given).save("tests", overwrite=True)
"""


def test_retune_ask_signs_in_with_the_block_of_the_compute_target(workspace, tmp_path, api):
    """Nothing else tells it who it is, and where the workspace is."""
    retune, name = Retune(tmp_path, api), workspace.name
    place = {"SUBSCRIPTION": name.subscription_id, "GROUP": name.resource_group, "WORKSPACE": name.workspace}
    all_of_it = {**retune.environment, **workspace.emulator.environment, **place}
    script = {**all_of_it, "PREFECT_HOME": str(tmp_path / "prefect")}
    subprocess.run([sys.executable, "-W", "ignore", "-c", SAVE], env=script, check=True, timeout=120)
    retune.environment |= {k: v for k, v in workspace.emulator.environment.items() if not k.startswith("AZURE_")}
    registry = workspace.registry()
    registry.register("asked", answering(tmp_path / "folder"), Metadata({}, {}, {}), "key")
    registry.set_champion("asked", "1")
    block = {"credentials_block": "azureml-credentials/tests"}
    file = {"model_name": "asked", "compute": block, "registry": {"kind": "azure_ml"}}
    (tmp_path / "azure.yaml").write_text(json.dumps(file))
    done = retune("ask", "in a loop", "--parameters", str(tmp_path / "azure.yaml"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answers"][0]["answer"] == "in a loop: like this"


def test_retune_ask_answers_with_the_champion_of_the_workspace(workspace, tmp_path):
    retune = Retune(tmp_path)
    retune.environment |= workspace.emulator.environment
    name = workspace.name
    place = {
        "subscription_id": name.subscription_id,
        "resource_group": name.resource_group,
        "workspace": name.workspace,
    }
    file = {"model_name": "asked", "compute": place, "registry": {"kind": "azure_ml"}}
    (tmp_path / "azure.yaml").write_text(json.dumps(file))
    question = ("ask", "in a loop", "--parameters", str(tmp_path / "azure.yaml"), "--json")
    missing = retune(*question)
    assert missing.returncode == 1
    assert "There is no champion of asked yet" in missing.stderr
    registry = workspace.registry()
    registry.register("asked", answering(tmp_path / "folder"), Metadata({}, {}, {}), "key")
    registry.set_champion("asked", "1")
    done = retune(*question)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"] == {"name": "asked", "version": "1"}
    assert told["answers"][0]["answer"] == "in a loop: like this"
    assert done.stderr == ""
