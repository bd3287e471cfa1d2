"""The model registry of an emulated Azure ML workspace, for the contract suite and the tests of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from azure_ml_emulator import BlobAccount, Emulator, Settings
from azure_ml_emulator.client import environment_of, import_sdk
from azure_ml_emulator.jobs import ARTIFACTS
from azurite import Azurite

from retuner.azure_ml.workspace import WorkspaceName
from retuner.registry.azure_ml import AzureMlRegistry
from retuner.registry.azure_ml_models import AzureMlModels


@dataclass
class EmulatedWorkspace:
    """The workspace, and what lies in it behind the SDK's back."""

    emulator: Emulator
    azurite: Azurite

    @property
    def name(self) -> WorkspaceName:
        settings = self.emulator.settings
        return WorkspaceName(settings.subscription, settings.group, settings.workspace)

    def registry(self, *, call_seconds: float = 30.0) -> AzureMlRegistry:
        """A fresh registry object, as another process would open it."""
        return AzureMlRegistry(self.name, models=AzureMlModels(self.name, call_seconds=call_seconds))

    def clear_models(self) -> None:
        def clear(service) -> None:
            for held in (service.state.models, service.state.assets, service.state.artifacts):
                held.clear()

        self.emulator.faults.clear()
        self.emulator.inspect(clear)

    def write_stored(self, path: str, text: str | None) -> None:
        """Replace the content of the only stored file whose path ends so, or remove it for None."""
        held = self.emulator.inspect(lambda service: dict(service.state.artifacts))
        (name,) = (f"{folder}/{one}" for folder, paths in held.items() for one in paths if one.endswith(f"/{path}"))
        blob = self.azurite.client().get_blob_client(ARTIFACTS, name)
        if text is None:
            blob.delete_blob()
        else:
            blob.upload_blob(text.encode(), overwrite=True)


@pytest.fixture(scope="module")
def azure_ml_workspace(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedWorkspace]:
    """One emulated workspace for a module's tests, which clear it themselves."""
    emulator = Emulator(BlobAccount(azurite.account_url, azurite.key), Settings(execute=False))
    with emulator, environment_of(emulator, tmp_path_factory.mktemp("home")):
        import_sdk()
        with pytest.MonkeyPatch.context() as patch:  # as the registry sets it where it is the first to import the SDK
            patch.setattr("azureml._restclient.clientbase.DEFAULT_RETRIES", 0)
            yield EmulatedWorkspace(emulator, azurite)
