"""Reads and writes blobs by plain https with a SAS, so that a node needs no Azure package.

Faults are OSErrors that name the address without its signature: FileNotFoundError, PermissionError for what a person
must change, ConnectionError after the last try.
"""

import base64
import hashlib
import http.client
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

TRIES = 6
TIMEOUT = 60.0
LONGEST_WAIT = 30.0
VERSION = "2021-12-02"
"""Of the Blob service: the oldest that an account accepts for all requests made here."""
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def download(address: str, file: Path, sas: str, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Copy the blob to `file`. A file of another length or MD5 sum than the service tells counts as a failed try."""

    def read(answer: http.client.HTTPResponse) -> None:
        with file.open("wb") as stream:
            shutil.copyfileobj(answer, stream, 1024**2)
        size, told = file.stat().st_size, answer.headers.get("Content-Length")
        md5 = answer.headers.get("Content-MD5")
        if (told and size != int(told)) or (md5 and _md5(file) != md5):
            raise ConnectionError(f"{size} bytes came that are not the ones sent")

    _request("GET", address, sas, read=read, pause=pause)


def upload(file: Path, address: str, sas: str, *, sha256: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Write `file` as the blob, whole or not at all: one request, which the service checks against its MD5 sum."""
    headers = {
        "x-ms-blob-type": "BlockBlob",
        "x-ms-meta-sha256": sha256,
        "Content-MD5": _md5(file),
        "Content-Type": "application/octet-stream",
        "Content-Length": str(file.stat().st_size),
    }
    _request("PUT", address, sas, headers=headers, file=file, pause=pause)


def _request(
    method: str,
    address: str,
    sas: str,
    *,
    pause: Callable[[float], None],
    headers: dict[str, str] | None = None,
    file: Path | None = None,
    read: Callable[[http.client.HTTPResponse], None] = lambda _: None,
) -> None:
    """Send the request until it is answered, at most TRIES times; what fails says nothing of the signature."""
    _refuse_plain_http(address)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=_trusted()))
    last: OSError = ConnectionError()
    for number in range(TRIES):
        if number:
            pause(min(2.0 ** (number - 1), LONGEST_WAIT))
        fault = _try_once(opener, method, address, sas, {"x-ms-version": VERSION, **(headers or {})}, file, read)
        if fault is None:
            return
        last = fault
        if not isinstance(fault, ConnectionError):
            break
    raise last


def _try_once(
    opener: urllib.request.OpenerDirector,
    method: str,
    address: str,
    sas: str,
    headers: dict[str, str],
    file: Path | None,
    read: Callable[[http.client.HTTPResponse], None],
) -> OSError | None:
    """None where it worked, else our error: the library's own holds the whole address."""
    body: BinaryIO | None = file.open("rb") if file else None
    try:
        signed = f"{address}?{sas.strip().removeprefix('?')}"
        request = urllib.request.Request(signed, data=body, headers=headers, method=method)
        with opener.open(request, timeout=TIMEOUT) as answer:
            read(answer)
        return None
    except (http.client.InvalidURL, ValueError):
        return PermissionError(f"The SAS for {address} is no valid part of an address: store it again, on one line.")
    except urllib.error.HTTPError as error:
        error.close()
        return _refusal(address, error.code, error.headers.get("x-ms-error-code", ""))
    except urllib.error.URLError as error:
        return ConnectionError(f"{address} cannot be reached ({_words(error.reason)}).")
    except (ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException) as error:
        return ConnectionError(f"The connection to {address} broke ({_words(error)}).")
    finally:
        if body is not None:
            body.close()


def _refusal(address: str, status: int, code: str) -> OSError:
    if status in _TRANSIENT:
        return ConnectionError(f"The storage account could not serve {address} ({status} {code}).")
    if status == 404:
        return FileNotFoundError(f"There is no {address} ({code}).")
    if status in (401, 403):
        return PermissionError(
            f"The storage account refused {address} ({status} {code}): the SAS has expired, is of another container, "
            f"or lacks the permission."
        )
    return PermissionError(f"The storage account refused the request for {address} ({status} {code}).")


def _refuse_plain_http(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise PermissionError(f"{address} is not https: whoever listens could read the signature.")


def _trusted() -> ssl.SSLContext:
    # the variable that Azure's own packages obey, so that one setting holds for a whole node
    return ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or None)


def _words(reason: object) -> str:
    """The system's own words for a fault; the texts of the http library may hold the address."""
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__


def _md5(file: Path) -> str:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode()
