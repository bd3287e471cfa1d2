"""Where files and model versions lie."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from retuner.parameters.fields import Group, without_secret


class FolderStorage(Group):
    """Datasets, results and models lie in a folder that this machine and all nodes can reach."""

    kind: Literal["folder"] = Field(default="folder", title="Storage", description="A folder.")
    folder: str | None = Field(
        default=None,
        title="Folder",
        description="Absolute path; empty means the store in RETUNER_HOME.",
        pattern=r"^/",
        json_schema_extra={"position": 0},
    )


class BlobStorage(Group):
    """Datasets, results and models lie in a container of Azure Blob storage."""

    kind: Literal["blob"] = Field(default="blob", title="Storage", description="Azure Blob storage.")
    container: str = Field(
        title="Container",
        description="Name of a container that exists.",
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        json_schema_extra={"position": 0},
    )
    account_url: str | None = Field(
        default=None,
        title="Account URL",
        description="Such as https://myaccount.blob.core.windows.net; empty where the block names the account.",
        pattern=r"^https?://[^?#\s]+$",
        json_schema_extra={"position": 1},
    )
    prefix: str = Field(
        default="",
        title="Prefix",
        description="Folder in the container under which all names begin; empty means the container itself.",
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?$",
        json_schema_extra={"position": 2},
    )
    block: str | None = Field(
        default=None,
        title="Credentials block",
        description="Block with two SAS or with Azure credentials, as type/name; empty means this machine's identity.",
        pattern=r"^[a-z0-9-]+/[A-Za-z0-9_-]+$",
        json_schema_extra={"position": 3},
    )


class MlflowRegistry(Group):
    """Model versions lie in MLflow's model registry."""

    kind: Literal["mlflow"] = Field(default="mlflow", title="Registry", description="MLflow.")
    tracking_uri: Annotated[str, AfterValidator(without_secret)] | None = Field(
        default=None,
        min_length=1,
        title="Tracking URI",
        description="MLflow's tracking and registry store; empty means the SQLite database in RETUNER_HOME.",
        json_schema_extra={"position": 0},
    )


class AzureMlRegistry(Group):
    """Model versions lie in the model registry of an Azure ML workspace."""

    kind: Literal["azure_ml"] = Field(default="azure_ml", title="Registry", description="Azure ML.")
    subscription_id: str | None = Field(
        default=None,
        min_length=1,
        title="Subscription",
        description="Id of the subscription that the workspace belongs to; empty means the compute target's.",
        json_schema_extra={"position": 0},
    )
    resource_group: str | None = Field(
        default=None,
        min_length=1,
        title="Resource group",
        description="Resource group of the workspace; empty means the compute target's.",
        json_schema_extra={"position": 1},
    )
    workspace: str | None = Field(
        default=None,
        min_length=1,
        title="Workspace",
        description="Name of the workspace; empty means the compute target's.",
        json_schema_extra={"position": 2},
    )
