"""One small retune in a real Azure ML workspace, from the upload to an answer of the registered model.

    AZURE_SUBSCRIPTION_ID=... AZURE_RESOURCE_GROUP=... AZURE_ML_WORKSPACE=... \
    AZURE_STORAGE_ACCOUNT_URL=https://....blob.core.windows.net AZURE_STORAGE_CONTAINER=... \
    .venv/bin/python -m pytest -m azure

It signs in as everything else does, makes a cluster of at most one node where there is none, and costs a few cents. It
is left out unless asked for. That it works is tried on the emulator by the test beside it.
"""

import json
import os

import pytest
from retune_command import FIXED, Retune

from retuner.compute.azure_ml_service import AzureMlService
from retuner.parameters import AzureMlCompute

pytestmark = pytest.mark.azure
NEEDED = (
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZURE_ML_WORKSPACE",
    "AZURE_STORAGE_ACCOUNT_URL",
    "AZURE_STORAGE_CONTAINER",
)
MODEL = "retuner_smoke"
TRIALS = 2


@pytest.fixture(scope="module")
def place() -> dict[str, dict]:
    """The groups of parameters that say where. Without all variables the test fails: whoever asks for it wants it."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.fail(f"Set {', '.join(missing)}: docs/azure.md says to what.", pytrace=False)
    workspace = {
        "subscription_id": os.environ["AZURE_SUBSCRIPTION_ID"],
        "resource_group": os.environ["AZURE_RESOURCE_GROUP"],
        "workspace": os.environ["AZURE_ML_WORKSPACE"],
    }
    cluster = {
        "cluster": os.environ.get("AZURE_ML_CLUSTER", "retuner-smoke"),
        "vm_size": os.environ.get("AZURE_VM_SIZE", "Standard_D2_v2"),
        "max_nodes": 1,
    }
    blobs = {"account_url": os.environ["AZURE_STORAGE_ACCOUNT_URL"], "container": os.environ["AZURE_STORAGE_CONTAINER"]}
    return {
        "compute": {"target": "azure_ml", **workspace, **cluster},
        "storage": {"kind": "blob", "prefix": "smoke", **blobs},
        "registry": {"kind": "azure_ml", **workspace},
    }


@pytest.fixture(scope="module")
def retune(tmp_path_factory) -> Retune:
    """Commands with this process's own environment: sign-in, proxies, the home with az's login."""
    command = Retune(tmp_path_factory.mktemp("smoke"))
    # the file that the toy writes to is on the node
    command.environment = {**command.environment, **os.environ, "TOY_RECORD": "/tmp/retuner-smoke.txt"}
    for name in ("RETUNER_HOME", "PYTHONPATH"):
        command.environment[name] = Retune(command.folder).environment[name]
    return command


@pytest.fixture(scope="module")
def file(place, retune) -> str:
    values = {
        "model_name": MODEL,
        "recipe": "toy_recipe.recorded:recipe",
        "search": {"trials": TRIALS, "sampler": "random", "stopping": "none", "space": FIXED},
        "budget": {"seconds_per_trial": 300, "seconds_final": 300},
        **place,
    }
    path = retune.folder / "smoke.json"
    path.write_text(json.dumps(values))
    return str(path)


def document(done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_preflight_can_look_at_the_workspace(retune, file):
    """What it finds is for whoever reads the output; here it is only to answer."""
    done = retune("preflight", "--parameters", file, "--json")
    assert done.stdout, done.stderr
    for check in json.loads(done.stdout)["checks"]:
        print(check["verdict"], check["subject"], check["message"])  # noqa: T201 - shown with pytest -s


def test_a_small_retune_registers_a_model_that_answers(retune, file, place):
    process = retune.start("run", "--parameters", file, "--json")
    out, err = process.communicate(timeout=7200)  # the image of a new workspace is built first
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["trials"] == {"asked": TRIALS, "completed": TRIALS, "pruned": 0, "failed": 0}
    assert told["model"]["name"] == MODEL
    names = ("subscription_id", "resource_group", "workspace")
    flags = [part for name in names for part in (f"--registry-{name.replace('_', '-')}", place["registry"][name])]
    answer = document(
        retune("ask", "is anybody there", "--model-name", MODEL, "--registry", "azure_ml", *flags, "--json")
    )
    assert answer["answers"][0]["question"] == "is anybody there"


def test_no_node_is_kept_up_afterwards(place):
    report = AzureMlService(AzureMlCompute(**place["compute"])).cluster()
    assert report is not None
    assert report.kept == 0
