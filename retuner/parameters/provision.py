"""What is made in Azure before the first retune there, and what is taken away after the last."""

from typing import Annotated

from pydantic import Field

from retuner.parameters.compute import AzureMlCompute
from retuner.parameters.fields import Group
from retuner.parameters.places import BlobStorage, FolderStorage

ResourceId = Annotated[
    str, Field(pattern=r"^/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/[^/\s]+/[^/\s]+/[^/\s]+$")
]
Confirmation = Annotated[
    str,
    Field(
        title="Confirmation",
        description="Name of the workspace once more; anything else deletes nothing.",
        json_schema_extra={"position": 1},
    ),
]
ContainerNames = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9$-]+(,[a-z0-9$-]+)*)?$",
        title="Delete containers",
        description="Containers, separated by commas, that go with the account though Azure ML did not make them.",
        json_schema_extra={"position": 2},
    ),
]


class AzureResources(Group):
    """Where the workspace is made, and what it uses that is there already."""

    location: str = Field(
        pattern=r"^[a-z][a-z0-9]+$",
        title="Region",
        description="Azure region, such as westeurope; what is there already stays where it is.",
        json_schema_extra={"position": 0},
    )
    storage_account: ResourceId | None = Field(
        default=None,
        title="Storage account",
        description="Resource id of one that is there; empty makes one.",
        json_schema_extra={"position": 1},
    )
    key_vault: ResourceId | None = Field(
        default=None,
        title="Key vault",
        description="Resource id of one that is there; empty makes one.",
        json_schema_extra={"position": 2},
    )
    container_registry: ResourceId | None = Field(
        default=None,
        title="Container registry",
        description="Resource id of one that is there; empty makes one.",
        json_schema_extra={"position": 3},
    )
    application_insights: ResourceId | None = Field(
        default=None,
        title="Application Insights",
        description="Resource id of one that is there; empty makes one, with the log workspace that it writes to.",
        json_schema_extra={"position": 4},
    )


class Provision(Group):
    """All parameters of the flow `provision`."""

    compute: AzureMlCompute
    resources: AzureResources


class Preflight(Group):
    """All parameters of the command `preflight`."""

    compute: AzureMlCompute
    storage: FolderStorage | BlobStorage = FolderStorage()


class TearDown(Group):
    """All parameters of the flow `tear-down`."""

    compute: AzureMlCompute
    confirm: Confirmation = ""
    delete_containers: ContainerNames = ""
