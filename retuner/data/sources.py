"""From the parameter `source` to local raw files: a folder of them, or one file of any name."""

import shutil
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from hashlib import sha256
from http.client import HTTPException, InvalidURL
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from retuner.disk import disk_errors
from retuner.errors import RetryableError, UserError
from retuner_training.errors import InvalidInput
from retuner_training.recipe import ChecksSource, Recipe
from retuner_training.result import sha256_of, write_whole

SAMPLE = "sample"

_SCHEMES = ("http://", "https://")
_AGAIN = {408, 425, 429}  # and all from 500 on: what a server answers that may do better later
_CHUNK = 1 << 20


@dataclass(frozen=True)
class RawData:
    """Raw files on this machine."""

    path: Path
    """Their folder; of a recipe that reads one file, that file."""
    sums: Mapping[str, str]
    """SHA-256 of each file, by name."""
    public: bool = False
    """From a source that the recipe names: whoever uses it cannot mend its faults."""


def fetch(source: str, recipe: Recipe, folder: Path, *, timeout: float = 30.0) -> RawData:
    """The raw files of `source`: `sample`, a public source of the recipe, an http(s) address, a folder or a file.

    What is made or downloaded goes below `folder`, each file whole or not at all; a local source is read where it is.
    `timeout` bounds each wait for the network, in seconds. Raises UserError for a source that is unknown or incomplete,
    RetryableError where the network or the server is in trouble.
    """
    if source == SAMPLE:
        return _make_sample(recipe, folder / SAMPLE)
    if source in recipe.addresses:
        return _download(recipe.addresses[source], recipe, folder, timeout=timeout, public=True)
    if source.startswith(_SCHEMES):
        return _download(_checked_address(source), recipe, folder, timeout=timeout, public=False)
    return _read_in_place(_find_local(source, recipe), recipe)


def check_source(source: str, recipe: Recipe, options: Mapping[str, Any]) -> None:
    """Raise UserError for what can be seen at once of a source on this machine; no row is read and nobody is asked.

    `options` are those of `recipe.prepare`.
    """
    if source == SAMPLE or source in recipe.addresses:
        return
    if source.startswith(_SCHEMES):
        _checked_address(source)
        return
    path, _ = _find_files(_find_local(source, recipe), recipe)
    if isinstance(recipe, ChecksSource):
        try:
            recipe.check_source(path, options)
        except InvalidInput as error:
            raise UserError(str(error)) from None


def _find_local(source: str, recipe: Recipe) -> Path:
    local = Path(source).expanduser().absolute()
    if not (local.is_dir() or (local.is_file() and _reads_one_file(recipe))):
        known = ", ".join([SAMPLE, *sorted(recipe.addresses)])
        place = f"a file ({', '.join(recipe.files)})" if _reads_one_file(recipe) else "a folder"
        raise UserError(f"There is no data source '{source}': give {known}, {place}, or an http(s) address.")
    return local


def _reads_one_file(recipe: Recipe) -> bool:
    """Whether the recipe names the forms of one file, instead of the files of a folder."""
    return all("*" in form for form in recipe.files)


def _fits(name: str, recipe: Recipe) -> bool:
    return any(fnmatch(name, form) for form in recipe.files)


def _read_in_place(path: Path, recipe: Recipe, *, public: bool = False) -> RawData:
    place, files = _find_files(path, recipe)
    try:
        return RawData(place, {file.name: sha256_of(file) for file in files}, public=public)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _find_files(path: Path, recipe: Recipe) -> tuple[Path, list[Path]]:
    """What `recipe.prepare` gets of `path`, and the files in it.

    Raises UserError where files are missing, or where it is not clear which one is meant.
    """
    if not _reads_one_file(recipe):
        missing = [name for name in recipe.files if not (path / name).is_file()]
        if missing:
            wanted = ", ".join(recipe.files)
            raise UserError(f"{path} lacks {', '.join(missing)}: the recipe '{recipe.name}' reads {wanted}.")
        return path, [path / name for name in recipe.files]
    found = sorted(file for file in path.iterdir() if _fits(file.name, recipe)) if path.is_dir() else [path]
    forms = ", ".join(recipe.files)
    if not found or not _fits(found[0].name, recipe):
        raise UserError(f"{path} holds no data that the recipe '{recipe.name}' reads: name a file such as {forms}.")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise UserError(f"{path} holds more than one file that the recipe '{recipe.name}' reads ({names}): name one.")
    return found[0], found


def _make_sample(recipe: Recipe, folder: Path) -> RawData:
    with disk_errors(f"{folder} cannot be written"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            recipe.sample(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return _read_in_place(folder, recipe)


def _checked_address(address: str) -> str:
    parts = urlsplit(address)
    if parts.query or parts.fragment or parts.password:
        raise UserError(
            "The address of the data holds a query or a password, and parameters are shown to everybody: "
            "give an address without, or download the files and give their folder."
        )
    if not parts.hostname:
        raise UserError(f"The address of the data names no host: '{address}'.")
    return address


def _download(address: str, recipe: Recipe, folder: Path, *, timeout: float, public: bool) -> RawData:
    """`address` is that of a folder, or of the one file that the recipe reads."""
    target = folder / sha256(address.encode()).hexdigest()[:12]
    files = {name: f"{address.rstrip('/')}/{quote(name)}" for name in recipe.files}
    if _reads_one_file(recipe):
        name = PurePosixPath(unquote(urlsplit(address).path)).name
        if not _fits(name, recipe):
            forms = ", ".join(recipe.files)
            raise UserError(f"{address} names no file that the recipe '{recipe.name}' reads, such as {forms}.")
        files = {name: address}
    for name, place in files.items():
        with disk_errors(f"{target} cannot be written"):
            target.mkdir(parents=True, exist_ok=True)
            write_whole(target / name, partial(_receive, place, timeout))
    return _read_in_place(target, recipe, public=public)


def _receive(address: str, timeout: float, file: Path) -> None:
    with file.open("wb") as content:
        content.writelines(_chunks(address, timeout=timeout))


def _chunks(address: str, *, timeout: float) -> Iterator[bytes]:
    received, length = 0, None
    try:
        with urlopen(Request(address, headers={"User-Agent": "retuner"}), timeout=timeout) as answer:
            length = answer.headers.get("Content-Length")
            while chunk := answer.read(_CHUNK):
                received += len(chunk)
                yield chunk
    except HTTPError as error:
        raise _refusal(address, error) from None
    except (OSError, HTTPException) as error:
        raise _trouble(address, error) from None
    if length is not None and received < int(length):
        raise RetryableError(f"{address} ended after {received} of {length} bytes.")


def _refusal(address: str, error: HTTPError) -> RetryableError | UserError:
    if error.code in _AGAIN or error.code >= 500:
        return RetryableError(f"{address} answered {error.code} {error.reason}.")
    return UserError(f"{address} answered {error.code} {error.reason}: check the address and that it may be read.")


def _trouble(address: str, error: OSError | HTTPException) -> RetryableError | UserError:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, InvalidURL):
        return UserError(f"{address} is no address that can be asked: {reason}.")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return UserError(f"{address} shows a certificate that is not trusted here: {reason.verify_message}.")
    return RetryableError(f"{address} cannot be reached or broke off: {reason or type(reason).__name__}.")
