"""One emulator and one workspace for every test module of this folder."""

from collections.abc import Iterator

import pytest

from azure_ml_emulator import BlobAccount, Emulator, Settings
from azure_ml_emulator.client import create_cluster, environment_of, import_sdk, open_workspace


@pytest.fixture(scope="module")
def blob_account(azurite) -> BlobAccount:
    return BlobAccount(azurite.account_url, azurite.key)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(idle_scale=0.01)


@pytest.fixture(scope="module")
def emulator(blob_account, settings, tmp_path_factory) -> Iterator[Emulator]:
    with Emulator(blob_account, settings) as emulator, environment_of(emulator, tmp_path_factory.mktemp("home")):
        import_sdk()
        yield emulator


@pytest.fixture(scope="module")
def workspace(emulator):
    return open_workspace(emulator)


@pytest.fixture(scope="module")
def cluster(workspace):
    return create_cluster(workspace, "cpu", idle_seconds_before_scaledown=120)


@pytest.fixture
def rules(emulator) -> Iterator[Emulator]:
    """The emulator, without fault rules before and after the test."""
    emulator.faults.clear()
    yield emulator
    emulator.faults.clear()
