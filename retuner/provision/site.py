"""What the steps of provisioning work with: the parameters and the two ways into Azure, opened together."""

from dataclasses import dataclass

from retuner.azure_ml.identity import AzureMlIdentity, name_compute, sign_in_as, workspace_of
from retuner.azure_ml.workspace import WorkspaceName
from retuner.compute.azure_ml_service import AzureMlService
from retuner.parameters import AzureMlCompute
from retuner.provision.resource_manager import ResourceManager
from retuner.provision.workspace import AzureMlWorkspace
from retuner.settings import Settings


@dataclass(frozen=True)
class Site:
    """One workspace, there or not."""

    compute: AzureMlCompute
    settings: Settings
    name: WorkspaceName
    manager: ResourceManager
    workspace: AzureMlWorkspace
    cluster: AzureMlService


def open_site(compute: AzureMlCompute, settings: Settings, *, identity: AzureMlIdentity | None = None) -> Site:
    """Nothing is asked yet. Without an identity it is this machine's. Raises UserError where a name is missing."""
    compute = name_compute(compute, identity)
    name, sign_in = workspace_of(compute), sign_in_as(identity)
    return Site(
        compute=compute,
        settings=settings,
        name=name,
        manager=ResourceManager(name.subscription_id, sign_in),
        workspace=AzureMlWorkspace(name, sign_in),
        cluster=AzureMlService(compute, sign_in),
    )
