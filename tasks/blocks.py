"""Prefect blocks that hold secrets, and what retuner makes of them: plain credentials without Prefect."""

from typing import TYPE_CHECKING, TypeVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from retuner.azure_ml.identity import AzureMlIdentity
from retuner.azure_ml.workspace import WorkspaceName
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, BlobStorage, DaskCompute, FolderStorage
from retuner.storage.credentials import BlobCredentials, ConnectionString, Identity, SasPair, ServicePrincipal

if TYPE_CHECKING:
    from prefect_azure import AzureBlobStorageCredentials

Loaded = TypeVar("Loaded", bound=Block)

SAS_BLOCK = "retuner-blob-sas"
AZURE_BLOCK = "azure-blob-storage-credentials"


class RetunerBlobSas(Block):
    """Two signatures (SAS) for one container of Azure Blob storage, each as a token or as a whole address."""

    _block_type_name = "Retuner Blob SAS"
    _block_type_slug = SAS_BLOCK

    upload_sas: SecretStr = Field(
        title="Upload SAS",
        description="Permissions create and write (sp=cw), https only, valid for hours.",
        json_schema_extra={"position": 0},
    )
    read_sas: SecretStr | None = Field(
        default=None,
        title="Read SAS",
        description="Permission read (sp=r), https only; needed for everything but uploads.",
        json_schema_extra={"position": 1},
    )


def register_block_types() -> None:
    """Make the kinds of block that hold credentials known to the Prefect server, so that its UI offers them."""
    from prefect_azure import AzureBlobStorageCredentials, AzureMlCredentials

    kinds: tuple[type[Block], ...] = (RetunerBlobSas, AzureBlobStorageCredentials, AzureMlCredentials)
    for kind in kinds:
        kind.register_type_and_schema()


def load_blob_credentials(storage: FolderStorage | BlobStorage) -> BlobCredentials | None:
    """The credentials in the block that the parameters name; None without a block, or where nothing is needed.

    Raises UserError where there is no such block, or it is of another type.
    """
    if not isinstance(storage, BlobStorage) or storage.block is None:
        return None
    kind = storage.block.partition("/")[0]
    if kind == SAS_BLOCK:
        return credentials_in(_load(RetunerBlobSas, storage.block))
    if kind == AZURE_BLOCK:
        from prefect_azure import AzureBlobStorageCredentials

        return credentials_in(_load(AzureBlobStorageCredentials, storage.block))
    raise UserError(f"storage.block is {storage.block}: known types are {SAS_BLOCK}/<name> and {AZURE_BLOCK}/<name>.")


def load_azure_ml_identity(compute: DaskCompute | AzureMlCompute) -> AzureMlIdentity | None:
    """The service principal in the block that the parameters name; None without a block.

    Raises UserError where there is no such block.
    """
    if not isinstance(compute, AzureMlCompute) or compute.credentials_block is None:
        return None
    from prefect_azure import AzureMlCredentials

    block = _load(AzureMlCredentials, compute.credentials_block, field="compute.credentials_block")
    secret = block.service_principal_password.get_secret_value()
    return AzureMlIdentity(
        ServicePrincipal(block.tenant_id, block.service_principal_id, secret),
        WorkspaceName(block.subscription_id, block.resource_group, block.workspace_name),
    )


def credentials_in(block: "RetunerBlobSas | AzureBlobStorageCredentials") -> BlobCredentials:
    """What the block holds, without Prefect."""
    if isinstance(block, RetunerBlobSas):
        read = block.read_sas.get_secret_value() if block.read_sas else None
        return SasPair(block.upload_sas.get_secret_value(), read)
    if block.connection_string is not None:
        return ConnectionString(block.connection_string.get_secret_value())
    if block.client_id is None:
        return Identity(block.account_url)
    secret = block.client_secret.get_secret_value()
    return Identity(block.account_url, ServicePrincipal(block.tenant_id, block.client_id, secret))


def _load(kind: type[Loaded], path: str, *, field: str = "storage.block") -> Loaded:
    try:
        return kind.load(path.partition("/")[2])
    except ValueError:  # also what pydantic says of a block's wrong content, which it repeats
        pass
    raise UserError(f"There is no usable block {path}: make it in the Prefect UI under Blocks, or correct {field}.")
