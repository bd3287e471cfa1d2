"""Which resources a workspace needs, decided without Azure: their names, their content, and whose they are.

A name follows from the workspace's alone, so that an interrupted provisioning that is run again finds what it made.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from retuner.azure_ml.marks import tags_of
from retuner.azure_ml.workspace import WorkspaceName
from retuner.parameters.provision import AzureResources

WORKSPACE_API = "2024-04-01"
NETWORK_API = "2023-09-01"


@dataclass(frozen=True)
class Resource:
    """One resource that the workspace uses."""

    role: str
    """As the workspace names it: storage_account, key_vault, ..."""
    id: str
    api_version: str
    body: Mapping[str, Any] | None
    """What it is made with, tags included; None where it is somebody else's and only used."""

    @property
    def title(self) -> str:
        """As people call it."""
        return f"{self.role.replace('_', ' ')} {name_of(self.id)}"


def name_of(resource_id: str) -> str:
    """The last part of the id."""
    return resource_id.rpartition("/")[2]


def kind_of(resource_id: str) -> str:
    """Namespace and type, such as Microsoft.Storage/storageAccounts."""
    return resource_id.rpartition("/providers/")[2].rpartition("/")[0]


def group_id(name: WorkspaceName) -> str:
    """Id of the workspace's resource group."""
    return f"/subscriptions/{name.subscription_id}/resourceGroups/{name.resource_group}"


def needed(name: WorkspaceName, resources: AzureResources, tenant: str) -> list[Resource]:
    """What the workspace needs, in the order in which it is made; what the parameters name is only used."""
    made = list(_made(name, resources.location, tenant))
    if resources.application_insights:
        made = [one for one in made if one.role != "logs"]
    return [_given(one, getattr(resources, one.role, None)) for one in made]


def _given(resource: Resource, resource_id: str | None) -> Resource:
    """The resource, or the one of that id in its place."""
    return resource if resource_id is None else Resource(resource.role, resource_id, resource.api_version, None)


def own_ids(name: WorkspaceName) -> list[tuple[str, str, str]]:
    """Role, id and API version of everything that provisioning may have made beside the workspace."""
    return [(one.role, one.id, one.api_version) for one in _made(name, "", "")]


def _made(name: WorkspaceName, location: str, tenant: str) -> Iterator[Resource]:
    stem = f"retuner{hashlib.sha256(name.scope.lower().encode()).hexdigest()[:12]}"

    def make(role: str, place: str, api_version: str, content: Mapping[str, Any]) -> Resource:
        resource_id = f"{group_id(name)}/providers/{place}/{stem}"
        body = {"location": location, "tags": tags_of(resource_id), **content}
        return Resource(role, resource_id, api_version, body)

    yield make("storage_account", "Microsoft.Storage/storageAccounts", "2023-05-01", _ACCOUNT)
    yield make("key_vault", "Microsoft.KeyVault/vaults", "2023-07-01", _vault(tenant))
    yield make("container_registry", "Microsoft.ContainerRegistry/registries", "2023-07-01", _REGISTRY)
    logs = make("logs", "Microsoft.OperationalInsights/workspaces", "2023-09-01", _LOGS)
    yield logs
    yield make("application_insights", "Microsoft.Insights/components", "2020-02-02", _insights(logs.id))


_ACCOUNT = {
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
    "properties": {
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "allowBlobPublicAccess": False,
        "encryption": {
            "services": {"blob": {"enabled": True}, "file": {"enabled": True}},
            "keySource": "Microsoft.Storage",
        },
    },
}
_REGISTRY = {
    "sku": {"name": "Basic"},
    "properties": {"adminUserEnabled": True},  # the workspace's own identity pulls images with it
}
_LOGS = {"properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}}


def _vault(tenant: str) -> dict[str, Any]:
    vault = {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
    return {"properties": {**vault, "enableSoftDelete": True}}


def _insights(logs_id: str) -> dict[str, Any]:
    return {"kind": "web", "properties": {"Application_Type": "web", "WorkspaceResourceId": logs_id}}
