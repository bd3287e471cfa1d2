"""`retune provision`, `preflight` and `tear-down` as a person gives them, on the emulated Resource Manager."""

import json

import pytest
from azure_retune import emulated
from retune_command import Retune


@pytest.fixture
def start(azurite_https, tmp_path, api):
    """Makes the command, for a subscription with these settings; and the flags that say where."""
    opened = []

    def make(**settings) -> tuple[Retune, list[str]]:
        opened.append(emulated(azurite_https, provision_seconds=0.01, **settings))
        emulator = opened[-1].__enter__()
        retune = Retune(tmp_path, api)
        retune.environment.update(emulator.environment)
        names = {
            "subscription-id": emulator.settings.subscription,
            "resource-group": "retuner",
            "workspace": "emulated",
        }
        return retune, [part for name, value in names.items() for part in (f"--{name}", value)]

    yield make
    for emulator in opened:
        emulator.__exit__(None, None, None)


def sentence(done) -> str:
    """The one that a failed command ends with."""
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_from_an_empty_subscription_to_a_workspace_and_back(start):
    retune, place = start(furnished=False)
    done = retune("provision", *place, "--location", "westeurope", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [piece["created"] for piece in document["pieces"]] == [True] * 8
    assert {check["verdict"] for check in document["checks"]} == {"holds", "unseen"}

    refused = sentence(retune("tear-down", *place, "--confirm", "other"))
    assert "Nothing was deleted. This would be: workspace emulated, and with it cluster retuner; " in refused
    assert refused.endswith("--confirm emulated")

    done = retune("tear-down", *place, "--confirm", "emulated")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "deleted workspace emulated"
    assert done.stdout.splitlines()[-1] == "deleted resource group retuner"
    done = retune("tear-down", *place, "--json")
    assert json.loads(done.stdout)["deleted"] == []


def test_preflight_ends_with_1_where_something_must_be_changed(start, tmp_path):
    retune, place = start(storage={"minimumTlsVersion": "TLS1_0"})
    done = retune("preflight", *place)
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("fails   tls"))
    assert line.endswith("az storage account update --name devstoreaccount1 --min-tls-version TLS1_2")
    file = tmp_path / "run.yaml"
    file.write_text("search: {trials: 3}\ncompute: {max_nodes: 2}\n")
    checks = json.loads(retune("preflight", *place, "--parameters", str(file), "--json").stdout)["checks"]
    assert any("2 nodes of Standard_D4_v2 need 16 vCPU".lower() in check["message"].lower() for check in checks)


@pytest.mark.parametrize(
    ("command", "flags", "words"),
    [
        ("provision", [], "resources is missing"),
        ("provision", ["--location", "West Europe"], "resources.location (--location) = 'West Europe'"),
        ("provision", ["--location", "westeurope", "--max-nodes", "40"], "need 320 vCPU"),
        (
            "provision",
            ["--location", "westeurope", "--key-vault", "ours"],
            "resources.key_vault (--key-vault) = 'ours'",
        ),
        ("preflight", ["--workspace", ""], "compute.workspace"),
    ],
)
def test_bad_input_is_one_sentence(start, command, flags, words):
    retune, place = start()
    assert words in sentence(retune(command, *place, *flags))
