"""`make run-azure-offline`, as the Makefile has it; before the emulated workspace ends, the real SDK looks into it."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
FEWER = "--trials 2 --idle-seconds 30"
"""What the command is shortened by: the sample, the recipe, the storage and the registry are its own."""
LOOK = """
import json, os, sys, time
from azureml.core import Model, Workspace
from azureml.core.authentication import ServicePrincipalAuthentication

names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
auth = ServicePrincipalAuthentication(*(os.environ[name] for name in names))
place = (os.environ[name] for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE"))
workspace = Workspace(*place, auth=auth)
cluster, deadline = workspace.compute_targets["retuner"], time.monotonic() + 120
while (nodes := cluster.get_status().current_node_count) and time.monotonic() < deadline:
    time.sleep(1)
    cluster.refresh_state()
models = [[model.name, model.version, "champion" in model.tags] for model in Model.list(workspace)]
left = {"models": models, "minimum": cluster.scale_settings.minimum_node_count, "nodes": nodes}
left["secrets"] = workspace.get_default_keyvault().list_secrets()
open(sys.argv[1], "w").write(json.dumps(left))
"""


def test_the_offline_retune_registers_its_model_in_the_workspace_and_leaves_no_node(azurite, tmp_path):
    (tmp_path / "look.py").write_text(LOOK)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "RETUNER_HOME": str(tmp_path / "retuner"),
    }
    told = subprocess.run(
        ["make", "--dry-run", "run-azure-offline", f"BIN={Path(sys.executable).parent}"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    # what comes before it installs
    emulator, _, command = told[told.rindex("PYTHONPATH=tests ") :].strip().rpartition(" -- ")
    assert re.search("retune run --parameters .*azure_ml_offline", command)
    look = shlex.join([sys.executable, str(tmp_path / "look.py"), str(tmp_path / "left.json")])
    whole = f"{emulator} -- sh -c {shlex.quote(f'{command} {FEWER} && {look}')}"
    done = subprocess.run(
        ["sh", "-c", whole], cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    left = json.loads((tmp_path / "left.json").read_text())
    assert left == {"models": [["FAQ_ranker", 1, True]], "minimum": 0, "nodes": 0, "secrets": []}
