"""What opens a container of Blob storage, as it comes out of a block. No secret is in a `repr`."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SasPair:
    """Two ready-made signatures, as a token or as a whole address: the upload SAS can neither read, list nor mint."""

    upload_sas: str = field(repr=False)
    read_sas: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ConnectionString:
    """Account name and key in one line, as the portal shows it."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class ServicePrincipal:
    """An application's identity."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class Identity:
    """An identity: the service principal, else what DefaultAzureCredential finds (managed identity, `az login`)."""

    account_url: str | None = None
    principal: ServicePrincipal | None = None


BlobCredentials = SasPair | ConnectionString | Identity
