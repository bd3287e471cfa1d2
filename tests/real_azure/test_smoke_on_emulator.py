"""That the smoke test for a real workspace is a test: it passes on the emulated one, and says what it lacks."""

import os
import subprocess
import sys
from pathlib import Path

from azure_retune import emulated
from azure_study import ACCOUNT_URL

MACHINE = "/metadata/identity/oauth2/token"
CHECKOUT = Path(__file__).parents[2]


def smoke(**variables: str) -> "subprocess.CompletedProcess[str]":
    """The command of docs/azure.md with these variables, and no other that names something in Azure."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AZURE")}
    command = [sys.executable, "-m", "pytest", "-m", "azure", "-q", "-p", "no:cacheprovider"]
    environment = {**own, **variables}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=900)


def test_it_passes_on_the_emulated_workspace_for_a_machine_with_a_managed_identity(azurite_https, tmp_path):
    with emulated(azurite_https) as emulator:
        settings = emulator.settings
        done = smoke(
            **emulator.environment_of_machine,
            HOME=str(tmp_path),
            AZURE_SUBSCRIPTION_ID=settings.subscription,
            AZURE_RESOURCE_GROUP=settings.group,
            AZURE_ML_WORKSPACE=settings.workspace,
            AZURE_STORAGE_ACCOUNT_URL=ACCOUNT_URL,
            AZURE_STORAGE_CONTAINER=azurite_https.new_container(),
        )
        jobs = emulator.inspect(lambda service: [run.id for run in service.state.runs.values() if run.definition])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert {request.path for request in emulator.record.requests("*", "oauth2/.*token$")} == {MACHINE}
    assert len(jobs) == 3, "two trials and the final training ran on nodes"


def test_without_the_variables_it_fails_and_names_them():
    done = smoke(AZURE_ML_WORKSPACE="ours")
    assert done.returncode == 1
    assert "Set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_STORAGE_ACCOUNT_URL" in done.stdout
    assert "AZURE_ML_WORKSPACE," not in done.stdout
