"""The workspace's storage account: Azurite, reached under the product's host name, with a SAS for everything."""

import datetime
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
from aiohttp import web
from azure.storage.blob import (
    AccountSasPermissions,
    BlobSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
)
from yarl import URL

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection"}
SAS_HOURS = 24
VERSION = {"x-ms-version": "2023-11-03"}


@dataclass(frozen=True)
class BlobAccount:
    """Where Azurite answers for one storage account."""

    address: str
    """The account's own, as `http://127.0.0.1:10000/devstoreaccount1`; https is not verified, as it stays here."""
    key: str

    @property
    def name(self) -> str:
        return self.address.rpartition("/")[2]

    @property
    def server(self) -> str:
        return self.address.rpartition("/")[0]


class Blobs:
    """Reads and writes the account's blobs for the services, and signs addresses for the clients."""

    def __init__(self, account: BlobAccount) -> None:
        self.account = account
        self.host = f"{account.name}.blob.core.windows.net"
        self._session: aiohttp.ClientSession | None = None
        self._there_before: set[str] = set()

    async def start(self, containers: list[str]) -> None:
        connector = aiohttp.TCPConnector(ssl=False, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        self._there_before = await self._containers() - set(containers)
        for container in containers:
            await self.create_container(container)

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    def signed(self, container: str, name: str, permissions: str) -> str:
        """The blob's address with a SAS, as a client uses it: https and the product's host name."""
        return f"https://{self.host}/{container}/{quote(name)}?{self._sas(container, name, permissions)}"

    async def create_container(self, container: str) -> None:
        """Make the container unless it is there."""
        assert self._session is not None
        sas = self._account_sas(ResourceTypes(container=True), AccountSasPermissions(create=True))
        address = URL(f"{self.account.address}/{container}?restype=container&{sas}", encoded=True)
        async with self._session.put(address, headers=VERSION) as response:
            if response.status != 409:  # it is there already
                response.raise_for_status()

    async def containers(self) -> list[str]:
        """Those of the account; what was in Azurite before the emulator began is left out, as it is no part of it."""
        return sorted(await self._containers() - self._there_before)

    async def _containers(self) -> set[str]:
        assert self._session is not None
        sas = self._account_sas(ResourceTypes(service=True), AccountSasPermissions(list=True))
        address = URL(f"{self.account.address}/?comp=list&{sas}", encoded=True)
        async with self._session.get(address, headers=VERSION) as response:
            response.raise_for_status()
            return set(re.findall(r"<Container><Name>([^<]+)</Name>", await response.text()))

    def _account_sas(self, kinds: ResourceTypes, permission: AccountSasPermissions) -> str:
        name, key = self.account.name, self.account.key
        return generate_account_sas(name, key, resource_types=kinds, permission=permission, expiry=_expiry())

    async def write(self, container: str, name: str, content: bytes) -> None:
        headers = {"x-ms-blob-type": "BlockBlob", **VERSION}
        async with self._open("PUT", container, name, "cw", headers=headers, data=content) as response:
            response.raise_for_status()

    async def read(self, container: str, name: str) -> bytes:
        async with self._open("GET", container, name, "r", headers=VERSION) as response:
            response.raise_for_status()
            return await response.read()

    async def forward(self, request: web.Request, *, at_once: bool = True) -> web.StreamResponse:
        """Hand a client's request to Azurite as it is, and its answer back: at once, or for a fault to follow it."""
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        address = URL(self.account.server + request.raw_path, encoded=True)
        body = request.content.iter_chunked(1 << 16) if request.can_read_body else None
        async with self._session.request(
            request.method, address, headers=headers, data=body, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            if not at_once:
                body = await answer.read()
                return web.Response(status=answer.status, reason=answer.reason, headers=kept, body=body)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)
            await response.prepare(request)
            async for chunk in _chunks(answer):
                await response.write(chunk)
            await response.write_eof()
            return response

    def _open(self, method: str, container: str, name: str, permissions: str, **options: object):
        assert self._session is not None
        address = f"{self.account.address}/{container}/{quote(name)}?{self._sas(container, name, permissions)}"
        return self._session.request(method, URL(address, encoded=True), **options)

    def _sas(self, container: str, name: str, permissions: str) -> str:
        return generate_blob_sas(
            self.account.name,
            container,
            name,
            account_key=self.account.key,
            permission=BlobSasPermissions.from_string(permissions),
            expiry=_expiry(),
        )


def _expiry() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=SAS_HOURS)


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in answer.content.iter_chunked(1 << 16):
        yield chunk
