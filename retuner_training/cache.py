"""Work that trainings have in common, done once: results in files that processes of one machine share.

An entry is one file, named by a hash of all that its content depends on, written under a temporary name and then
renamed. It holds a pickle whose arrays are memory-mapped when it is read, so that they cost no copy.
"""

import hashlib
import mmap
import os
import pickle
import platform
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import pandas as pd

from retuner_training.own_folder import own_folder

VARIABLE = "RETUNER_CACHE"
"""Names the folder, one on the machine itself; `off` for none. Default: a folder of the user's in the temporary one."""
MOST_BYTES = 2 * 1024**3
"""Beyond it the entries that were not used for longest are removed."""
_SUFFIX, _UNFINISHED = ".entry", ".part"
_HEAD = struct.Struct("<32sQ")
"""SHA-256 of all that follows, and the number of parts: the pickle and its arrays; their sizes come next."""
_ALIGNED = 64
_Result = TypeVar("_Result")

_threads: ContextVar[int | None] = ContextVar("threads of the training that shares its work", default=None)
_verified: set[tuple[str, int, int]] = set()
"""Path, inode and bytes of the entries that this process has read whole; later trials need not again."""


@contextmanager
def shared_work(*, threads: int) -> Iterator[None]:
    """Within it `once` looks for kept results; the last digits of a result depend on the number of threads."""
    token = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(token)


def once(compute: Callable[[], _Result], *parts: Any) -> _Result:
    """`compute()`, or what an earlier call with equal `parts` gave; its arrays may then be read-only.

    The parts are to name all that the result depends on, but for the code and the libraries. Whatever is wrong with
    the files, the result is computed.
    """
    folder = _folder() if _threads.get() is not None else None
    if folder is None:
        return compute()
    file = folder / f"{fingerprint(_code(), _threads.get(), *parts)}{_SUFFIX}"
    with suppress(Exception):  # a pickle of the unknown may raise anything
        return _read(file)  # type: ignore[no-any-return]
    result = compute()
    with suppress(OSError):
        _write(file, result)
        _make_room(folder)
    return result


def fingerprint(*parts: Any) -> str:
    """Hash of arrays, of pandas' objects (without their index) and of plain values."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, pd.DataFrame | pd.Series | pd.Index):
            part = pd.util.hash_pandas_object(part, index=False).to_numpy()
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype} {part.shape}\n".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(f"{part!r}\n".encode())
    return digest.hexdigest()


@lru_cache
def _code() -> str:
    """Hash of this package's sources and of the versions of what it computes with."""
    package = Path(__file__).parent
    sources = [(str(file.relative_to(package)), file.read_bytes()) for file in sorted(package.rglob("*.py"))]
    libraries = [version(name) for name in ("numpy", "scipy", "pandas", "scikit-learn")]
    return fingerprint(sources, libraries, platform.python_version(), platform.machine())


def _folder() -> Path | None:
    """The folder of the entries; None where there shall or can be none."""
    given = os.environ.get(VARIABLE, "")
    if given == "off":
        return None
    try:
        if given:
            folder = Path(given).absolute()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:  # entries are pickles: one that somebody else put there would run as code
            folder = own_folder("retuner-cache")
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _write(file: Path, result: Any) -> None:
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(result, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(pickled), *(buffer.raw() for buffer in buffers)]
    table = struct.pack(f"<{len(parts)}Q", *(part.nbytes for part in parts))
    offset, pieces = _HEAD.size + len(table), [memoryview(table)]
    for part in parts:
        gap = -offset % _ALIGNED
        pieces += [memoryview(bytes(gap)), part]
        offset += gap + part.nbytes
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    temporary = file.with_name(f".{uuid4().hex}{_UNFINISHED}")
    try:
        with temporary.open("wb") as output:
            output.write(_HEAD.pack(digest.digest(), len(parts)))
            output.writelines(pieces)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _read(file: Path) -> Any:
    """Raises what it may: OSError where there is no entry, anything where it is damaged."""
    with file.open("rb") as content:
        status = os.fstat(content.fileno())
        mapped = memoryview(mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ))
    digest, count = _HEAD.unpack_from(mapped)
    seen = (str(file), status.st_ino, status.st_size)
    if seen not in _verified:
        if hashlib.sha256(mapped[_HEAD.size :]).digest() != digest:
            raise ValueError(f"{file} is damaged")
        _verified.add(seen)
    sizes = struct.unpack_from(f"<{count}Q", mapped, _HEAD.size)
    offset, parts = _HEAD.size + 8 * count, []
    for size in sizes:
        offset += -offset % _ALIGNED
        parts.append(mapped[offset : offset + size])
        offset += size
    result = pickle.loads(parts[0], buffers=parts[1:])
    os.utime(file)  # the time of change tells the last use
    return result


def _make_room(folder: Path) -> None:
    """Remove the entries that were used least recently; who has one open keeps it."""
    entries = []
    for file in folder.iterdir():
        if not _is_ours(file.name):
            continue
        with suppress(FileNotFoundError):  # another process makes room as well
            entries.append((file.stat().st_mtime, file.stat().st_size, file))
    kept = 0
    for _, size, file in sorted(entries, reverse=True):
        kept += size
        if kept > MOST_BYTES:
            file.unlink(missing_ok=True)


def _is_ours(name: str) -> bool:
    """An entry, or what a killed process began to write; the folder may have others' files as well."""
    return name.endswith(_SUFFIX) or (name.startswith(".") and name.endswith(_UNFINISHED))
