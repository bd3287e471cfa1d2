"""Single blobs by the signed address that another service gave out, such as Azure ML for the files of a model.

Faults are RetryableError and UserError that begin with `what`; none of them repeats the address, which is a secret.
"""

from pathlib import Path

from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient

from retuner.disk import disk_errors
from retuner.storage.blob_client import black_out_logs, client_options
from retuner.storage.blob_errors import ask, has_code


def send(file: Path, address: str, *, what: str) -> None:
    """Write the file as the blob, whatever was there."""

    def write() -> None:
        with file.open("rb") as stream:
            _blob(address).upload_blob(stream, overwrite=True, validate_content=True)

    with disk_errors(what):
        ask(what, write, renewed=True)


def fetch(address: str, file: Path, *, what: str) -> bool:
    """Copy the blob to `file`. False where there is no such blob; then there is no such file either."""

    def read() -> bool:
        try:
            download = _blob(address).download_blob()
        except ResourceNotFoundError as error:
            if has_code(error, "BlobNotFound"):
                return False
            raise
        with file.open("wb") as stream:
            download.readinto(stream)
        return True

    with disk_errors(what):
        file.parent.mkdir(parents=True, exist_ok=True)
        return ask(what, read, renewed=True)


def _blob(address: str) -> BlobClient:
    black_out_logs()
    url, _, signature = address.partition("?")
    # a credential of its own, as a signature in the address would show in the client's `url`
    return BlobClient.from_blob_url(url, credential=AzureSasCredential(signature), **client_options())
