"""Datasets and outputs of jobs, wherever they lie: in a folder, or at an address in Blob storage.

A location is an absolute path or an address without a signature. The signatures come from environment variables, or
from whatever a compute target hands in, when they are needed: never from the job.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from retuner_training.blob_http import download, upload
from retuner_training.dataset import MANIFEST, verify
from retuner_training.errors import InvalidInput, Unreachable
from retuner_training.job import JobResult
from retuner_training.own_folder import own_folder
from retuner_training.result import RESULT, read_result, sha256_of

READ_SAS = "RETUNER_READ_SAS"
UPLOAD_SAS = "RETUNER_UPLOAD_SAS"

Sign = Callable[[Literal["read", "upload"]], str]


def sign_from_environment(use: Literal["read", "upload"]) -> str:
    """The signature for that use, from the environment variable that is meant for it."""
    name = READ_SAS if use == "read" else UPLOAD_SAS
    signature = os.environ.get(name)
    if not signature:
        raise PermissionError(
            f"The environment variable {name} is empty: the job needs that SAS to reach Blob storage."
        )
    return signature


def is_address(location: str) -> bool:
    """Whether the location lies in Blob storage."""
    return location.startswith(("https://", "http://"))


def blob_address(location: str, name: str) -> str:
    """Address of the file `name` below the address `location`."""
    return f"{location}/{quote(name)}"


def dataset_folder(location: str, sign: Sign = sign_from_environment) -> Path:
    """The dataset as a folder of this machine: downloaded once a node, checked against its manifest.

    Raises InvalidInput where it is not what its manifest tells, Unreachable where the storage does not answer, other
    OSErrors where a person must change something, PermissionError too where somebody else may have filled the folder.
    """
    if not is_address(location):
        return Path(location)
    name = f"{location.rpartition('/')[2]}-{sha256(location.encode()).hexdigest()[:8]}"
    # what lies there is held against its own manifest alone, so nobody else may fill it
    folder = own_folder("retuner") / name
    with _alone(folder.with_name(f"{name}.lock")):
        if not _is_whole(folder):
            try:
                _fetch_dataset(location, folder, sign)
            except ConnectionError as error:
                raise Unreachable(str(error)) from error
    return folder


@contextmanager
def output_folder(location: str, sign: Sign = sign_from_environment) -> Iterator[Path]:
    """The output as a folder of this machine, with what an earlier attempt at the same job left there.

    Files of a location in Blob storage are sent when the block ends without an error, result.json last.
    """
    if not is_address(location):
        yield Path(location)
        return
    with tempfile.TemporaryDirectory(prefix="retuner-job-") as name:
        folder = Path(name)
        _fetch_output(location, folder, sign)
        before = _sum_of_result(folder)
        yield folder
        if _sum_of_result(folder) != before:
            _send_output(folder, location, sign)


def fetch_result(location: str, sign: Sign = sign_from_environment) -> JobResult | None:
    """The result at an output location; None where there is none, or one that is not whole."""
    if not is_address(location):
        return read_result(Path(location))
    with tempfile.TemporaryDirectory(prefix="retuner-result-") as name:
        _fetch_output(location, Path(name), sign)
        return read_result(Path(name))


def _is_whole(folder: Path) -> bool:
    try:
        verify(folder)
    except InvalidInput:
        return False
    return True


def _fetch_dataset(location: str, folder: Path, sign: Sign) -> None:
    part = folder.with_name(f"{folder.name}.part")
    for left in (part, folder):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir()
    _fetch(location, MANIFEST, part, sign)
    for name in _named_files(part / MANIFEST):
        _fetch(location, name, part, sign)
    verify(part)
    part.rename(folder)


def _fetch_output(location: str, folder: Path, sign: Sign) -> None:
    """What is there of an earlier attempt; a file that is missing makes its result no result."""
    with suppress(FileNotFoundError):
        _fetch(location, RESULT, folder, sign)
        for name in _named_files(folder / RESULT):
            _fetch(location, name, folder, sign)


def _named_files(document: Path) -> list[str]:
    """Names under `files` of a manifest or a result; none where it is neither, which those who read it say."""
    try:
        files = json.loads(document.read_text(encoding="utf-8"))["files"]
    except (ValueError, KeyError, TypeError):
        return []
    return [name for name in files if name == Path(name).name]


def _fetch(location: str, name: str, folder: Path, sign: Sign) -> None:
    download(blob_address(location, name), folder / name, sign("read"))


def _send_output(folder: Path, location: str, sign: Sign) -> None:
    files = sorted(folder.iterdir(), key=lambda file: (file.name == RESULT, file.name))
    for file in files:
        upload(file, blob_address(location, file.name), sign("upload"), sha256=sha256_of(file))


def _sum_of_result(folder: Path) -> str | None:
    file = folder / RESULT
    return sha256_of(file) if file.is_file() else None


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold a lock between the processes of a node; it ends with the process."""
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
