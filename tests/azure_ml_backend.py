"""The Azure ML compute target on an emulated workspace, for the contract suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure_ml_emulator import BlobAccount, Emulator, Settings
from azure_ml_emulator.client import environment_of, import_sdk
from azurite import installed_or_skipped, running_azurite

from retuner.compute.azure_ml import AzureMlTarget
from retuner.parameters import AzureMlCompute

LOOK_EVERY = 0.2


class EmulatedAzureMl:
    """Nodes are processes of this machine; a stop is a hard end, and a job outlives its client."""

    name = "azure-ml"
    ends_its_workers = True
    ends_with_its_client = False
    writes_result_when_stopped = False
    address = None

    @contextmanager
    def running(self, folder: Path) -> Iterator["EmulatedAzureMl"]:
        settings = Settings(idle_scale=0.01, node_start_seconds=0.05)
        with (
            installed_or_skipped(),
            running_azurite() as azurite,
            Emulator(BlobAccount(azurite.account_url, azurite.key), settings) as self.emulator,
            environment_of(self.emulator, folder),
        ):
            import_sdk()
            yield self

    def target(self, snapshot, folder: Path) -> AzureMlTarget:
        return AzureMlTarget(
            compute_of(self.emulator), snapshot, scratch=folder, node_secrets=lambda _: {}, look_every=LOOK_EVERY
        )

    def take_node(self, job, process: int) -> None:
        """The node of the job is lost."""
        self.emulator.preempt(job.name)


def compute_of(emulator: Emulator, **options) -> AzureMlCompute:
    """Parameters that name the emulated workspace."""
    settings = emulator.settings
    place = {
        "subscription_id": settings.subscription,
        "resource_group": settings.group,
        "workspace": settings.workspace,
    }
    return AzureMlCompute(**{**place, "cores": 1, **options})
