"""A store in a container of Azure Blob storage. Every request carries a SAS, wherever that came from.

A blob's metadata `sha256` is written once the blob was read back and found right, so a blob without it is sent again.
A manifest is written once (If-None-Match), last of its dataset: one that is there means that all of it is.
"""

import builtins
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContainerClient, ContentSettings

from retuner.disk import disk_errors
from retuner.errors import RetryableError, UserError
from retuner.parameters import BlobStorage
from retuner.storage.blob_client import MEGABYTE, black_out_logs, client_options
from retuner.storage.blob_errors import ask, has_code
from retuner.storage.blob_signing import Right, Signatures, find_place, open_signatures
from retuner.storage.credentials import BlobCredentials, Identity
from retuner.storage.names import check_name
from retuner.storage.sas import Place
from retuner_training.dataset import MANIFEST
from retuner_training.result import write_whole
from retuner_training.transfer import READ_SAS, UPLOAD_SAS, blob_address

CONCURRENCY = 4
TOLD_EVERY = 5.0
_PROBE = "retuner-permission-probe"
_SUM = "sha256"
_log = logging.getLogger(__name__)


def open_blob_store(
    parameters: BlobStorage, credentials: BlobCredentials | None = None, *, until: datetime | None = None
) -> "BlobStore":
    """The store that the parameters name, once its signatures were found to open it.

    Without credentials it is the identity of this machine. `until`, where known, is when the plan ends.
    """
    credentials = credentials or Identity()
    place = find_place(parameters.account_url, parameters.container, parameters.prefix, credentials)
    store = BlobStore(place, open_signatures(credentials, place, until=until))
    store.check()
    return store


@dataclass(frozen=True)
class _Content:
    """What a file on this machine holds."""

    size: int
    sha256: str
    md5: bytearray

    @classmethod
    def of(cls, file: Path) -> "_Content":
        sums = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        size = 0
        with file.open("rb") as stream:
            while block := stream.read(MEGABYTE):
                size += len(block)
                for digest in sums:
                    digest.update(block)
        return cls(size, sums[0].hexdigest(), bytearray(sums[1].digest()))


class BlobStore:
    """Blobs under a prefix of a container, by the same names as files have in a folder store."""

    def __init__(self, place: Place, signatures: Signatures) -> None:
        black_out_logs()
        self.place = place
        self._signatures = signatures
        self._opened: dict[Right, tuple[AzureSasCredential, ContainerClient]] = {}
        if not signatures.can_read:
            _log.warning(
                "There is no read SAS for %s: what is written there is checked by MD5 sums alone, not read back.",
                place.url,
            )

    def __repr__(self) -> str:
        return f"BlobStore({self.place.url!r})"

    def check(self) -> None:
        """Ask for a blob that is not there, and write one on a condition that never holds: nothing is changed.

        Raises UserError where container or signatures are not right.
        """
        if self._signatures.can_read:
            self._properties(_PROBE, f"{self.place.url} cannot be read")
        never = {"etag": "0x0", "match_condition": MatchConditions.IfNotModified, "overwrite": True}
        blob = self._blob(_PROBE, "upload")

        def attempt() -> None:
            try:
                blob.upload_blob(b"", **never)
            except ResourceModifiedError:
                return
            except ResourceNotFoundError as error:
                if has_code(error, "ContainerNotFound"):
                    raise

        ask(f"{self.place.url} cannot be written", attempt)

    def location(self, name: str) -> str:
        """The address of the blob or folder, without a signature."""
        return blob_address(self.place.url, check_name(name))

    def node_secrets(self, seconds: float) -> dict[str, str]:
        """The signatures as environment variables, each with one right and good for `seconds`."""
        return {
            READ_SAS: self._signatures.token("read", seconds),
            UPLOAD_SAS: self._signatures.token("upload", seconds),
        }

    def put(self, file: Path, name: str) -> None:
        """Write `file` as `name`, whole, and read it back; a manifest that is there is left as it is."""
        what = f"{check_name(name)} cannot be written to {self.place.url}"
        with disk_errors(what):
            content = _Content.of(file)
            if self._is_there(name, content):
                return
            if name.rpartition("/")[2] == MANIFEST:
                self._write_once(file, name, content)
            else:
                self._write(file, name, content)

    def get(self, name: str, file: Path) -> None:
        """Copy `name` to `file`, whole. Raises UserError where there is none."""
        check_name(name)
        with disk_errors(f"{name} cannot be copied from {self.place.url} to {file}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, lambda part: self._fetch(name, part))

    def exists(self, name: str) -> bool:
        """Whether the blob is there; one that is being written is not."""
        return self._properties(check_name(name), f"{name} cannot be looked up in {self.place.url}") is not None

    def list(self, prefix: str) -> builtins.list[str]:
        """Names that begin with `prefix`, sorted; an empty prefix lists all."""
        return [name for name, _ in self._listed(prefix)]

    def manifest(self, prefix: str) -> dict[str, str]:
        """SHA-256 of each blob under `prefix`, by name: the one found when it was written, else read anew."""
        return {name: known or self._read_sum(name)[0] for name, known in self._listed(prefix)}

    def _listed(self, prefix: str) -> builtins.list[tuple[str, str | None]]:
        """Names with the SHA-256 in their metadata, sorted by name."""
        if "/" in prefix:
            check_name(prefix.rpartition("/")[0])
        root = f"{self.place.prefix}/" if self.place.prefix else ""
        container = self._container("list")

        def listing() -> builtins.list[BlobProperties]:
            return list(container.list_blobs(name_starts_with=root + prefix, include=["metadata"]))

        found = ask(f"Names in {self.place.url} cannot be listed", listing)
        return sorted((str(blob.name).removeprefix(root), (blob.metadata or {}).get(_SUM)) for blob in found)

    def _is_there(self, name: str, content: _Content) -> bool:
        """Whether that content is there already, read back and found right."""
        if not self._signatures.can_read:
            return False
        present = self._properties(name, f"{name} cannot be looked up in {self.place.url}")
        return present is not None and present.size == content.size and present.metadata.get(_SUM) == content.sha256

    def _write(self, file: Path, name: str, content: _Content) -> None:
        """Send the blocks with an MD5 sum each, read all back, then note the SHA-256 on the blob."""
        if not self._signatures.can_read:
            self._send(file, name, content, overwrite=True, metadata={_SUM: content.sha256})
            return
        self._send(file, name, content, overwrite=True)
        found, etag = self._read_sum(name)
        if found != content.sha256:
            raise RetryableError(f"{name} in {self.place.url} is not what was sent there: it has to be sent again.")
        blob = self._blob(name, "upload")
        only_this = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        ask(
            f"{name} in {self.place.url} cannot be marked as verified",
            lambda: blob.set_blob_metadata({_SUM: found}, **only_this),
        )

    def _write_once(self, file: Path, name: str, content: _Content) -> None:
        """One request with its MD5 sum: the manifest is there whole, or what another wrote before is."""
        self._send(file, name, content, overwrite=False, metadata={_SUM: content.sha256})

    def _send(
        self, file: Path, name: str, content: _Content, *, overwrite: bool, metadata: dict[str, str] | None = None
    ) -> None:
        blob = self._blob(name, "upload")
        settings = ContentSettings(content_md5=content.md5)

        def send() -> None:
            with file.open("rb") as stream:
                try:
                    blob.upload_blob(
                        stream,
                        length=content.size,
                        overwrite=overwrite,
                        metadata=metadata,
                        content_settings=settings,
                        validate_content=True,
                        max_concurrency=CONCURRENCY,
                        progress_hook=_teller(name),
                    )
                except ResourceExistsError as error:
                    if overwrite or not has_code(error, "BlobAlreadyExists"):
                        raise

        ask(f"{name} cannot be written to {self.place.url}", send)

    def _fetch(self, name: str, file: Path) -> None:
        """Download to `file`. Raises RetryableError where it is not the content that its metadata tells."""
        blob = self._blob(name, "read")

        def fetch() -> str | None:
            with file.open("wb") as stream:
                try:
                    download = blob.download_blob(max_concurrency=CONCURRENCY, progress_hook=_teller(name))
                except ResourceNotFoundError as error:
                    if has_code(error, "BlobNotFound"):
                        return None
                    raise
                download.readinto(stream)
            return str((download.properties.metadata or {}).get(_SUM, ""))

        known = ask(f"{name} cannot be read from {self.place.url}", fetch)
        if known is None:
            raise UserError(f"The store {self.place.url} has no {name}.")
        if known and _Content.of(file).sha256 != known:
            raise RetryableError(f"{name} from {self.place.url} has not the SHA-256 that it was stored with.")

    def _read_sum(self, name: str) -> tuple[str, str]:
        """SHA-256 of what is there, read whole, and its ETag."""
        blob = self._blob(name, "read")

        def read() -> tuple[str, str]:
            digest = hashlib.sha256()
            download = blob.download_blob(max_concurrency=CONCURRENCY)
            for block in download.chunks():
                digest.update(block)
            return digest.hexdigest(), str(download.properties.etag)

        return ask(f"{name} cannot be read back from {self.place.url}", read)

    def _properties(self, name: str, what: str) -> BlobProperties | None:
        """Size and metadata of the blob; None where there is none."""
        blob = self._blob(name, "read")

        def look() -> BlobProperties | None:
            try:
                properties: BlobProperties = blob.get_blob_properties()
            except ResourceNotFoundError as error:
                if has_code(error, "ContainerNotFound"):
                    raise
                return None
            return properties

        return ask(what, look)

    def _blob(self, name: str, right: Right) -> Any:
        path = f"{self.place.prefix}/{name}" if self.place.prefix else name
        return self._container(right).get_blob_client(path)

    def _container(self, right: Right) -> ContainerClient:
        """A client with a signature for `right` that is good now."""
        token = self._signatures.token(right)
        if right not in self._opened:
            # a credential of its own, as a signature in the address would show in the client's `url`
            credential = AzureSasCredential(token)
            client = ContainerClient(
                self.place.account_url, self.place.container, credential=credential, **client_options()
            )
            self._opened[right] = credential, client
        credential, client = self._opened[right]
        if credential.signature != token:
            credential.update(token)
        return client


def _teller(name: str) -> Callable[[int, int | None], None]:
    """Says every few seconds how much of a file has travelled."""
    told = time.monotonic()

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            _log.info("%s: %.0f of %.0f MB", name, done / MEGABYTE, (total or done) / MEGABYTE)

    return tell


if TYPE_CHECKING:
    from retuner.storage.store import Store

    def _conforms(store: BlobStore) -> Store:
        return store
