"""An emulated workspace of its own for every test of faults, and what must be so after each."""

import gc
import re
from collections.abc import Iterator

import pytest
from azure_ml_emulator import BlobAccount, Emulator, Settings
from azure_ml_emulator.client import environment_of, import_sdk, until
from azure_study import AzureStudy, new_store, play

from retuner.compute import azure_ml, azure_ml_service
from retuner.stages.clean_up import clean_up_studies
from retuner.stages.study import Study
from retuner_training import blob_http

TRAINING = {"seconds": 0.2}
"""How long a training of the emulated nodes takes."""


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    import_sdk()
    monkeypatch.setattr("azureml._restclient.clientbase.DEFAULT_RETRIES", 0)
    monkeypatch.setattr(azure_ml_service, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(azure_ml, "UNSEEN_SECONDS", 0.5)
    monkeypatch.setattr(blob_http, "TIMEOUT", 2.0)


@pytest.fixture
def emulator(azurite_https, tmp_path) -> Iterator[Emulator]:
    """A workspace of its own for every test: what the SDK and the service keep would hide requests."""
    script = {"execute": False, "script": lambda run: play(run, **TRAINING)}
    yield from emulated(azurite_https, tmp_path, quota_cores=32, **script)


@pytest.fixture
def study(emulator, azurite_https, tmp_path) -> Iterator[tuple[AzureStudy, Study]]:
    """Two trials on two nodes of a cluster whose minimum is raised to 1 for them."""
    compute = {"wait_minutes": 0.5 / 60, "low_priority": True}
    one = AzureStudy(
        emulator, new_store(azurite_https), tmp_path / "home", trials=2, compute=compute, call_seconds=15.0
    )
    yield one, one.open()
    one.ledger.close()


def emulated(azurite_https, home, **options) -> Iterator[Emulator]:
    """The workspace with these settings, for a fixture."""
    settings = Settings(**{"idle_scale": 0.001, "node_start_seconds": 0.05, **options})
    account = BlobAccount(azurite_https.account_url, azurite_https.key)
    with Emulator(account, settings) as emulator, environment_of(emulator, home):
        yield emulator
    gc.collect()  # what the SDK left behind ends here, and not in a test that does not know of it


def assert_given_back(emulator: Emulator) -> None:
    """The cluster keeps no node, no secret is left, and every run has ended."""
    assert emulator.inspect(lambda service: [cluster.minimum for cluster in service.clusters.values()]) in ([0], [])
    assert emulator.inspect(lambda service: list(service.state.secrets)) == []
    until(lambda: emulator.inspect(lambda s: all(run.is_finished() for run in s.state.runs.values() if not run.lost)))


def assert_cleaned_up(one: AzureStudy, emulator: Emulator) -> None:
    """Once the fault is over, the clean-up leaves nothing behind."""
    emulator.faults.clear()
    clean_up_studies(one.settings, lambda compute: None)
    assert_given_back(emulator)


def jobs(emulator: Emulator) -> list[str]:
    """Names of all jobs that were ever started, shortened to what follows the study's."""
    ids = emulator.inspect(lambda service: [run.id for run in service.state.runs.values() if run.definition])
    return sorted(re.sub(r"^.*?-(?=t\d|final)", "", id_) for id_ in ids)
