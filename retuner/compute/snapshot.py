"""The snapshot: the code that is shipped to nodes, as one archive named by its hash."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from retuner.errors import UserError
from retuner.recipe_requirements import read_requirements
from retuner_training.recipe import BUILT_IN
from retuner_training.result import write_whole

TRAINING = "retuner_training"
MAX_BYTES = 300 * 1024**2  # Azure ML refuses larger snapshots
MAX_FILES = 2000
_CACHES = {"__pycache__", "node_modules", "venv"}
_COMPILED = {".pyc", ".pyo"}


@dataclass(frozen=True)
class Snapshot:
    """An archive of packages, importable once it is unpacked into a folder on the path."""

    hash: str
    """First 16 hexadecimal digits of the archive's SHA-256: the same code has the same hash on every machine."""
    path: Path
    recipe: str | None = None
    """The recipe that it was made for, which a node may import ahead of its first job."""

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What the recipe's package needs on a node beside our own libraries."""
        return read_requirements(self.path)


def make_snapshot(recipe: str, folder: Path) -> Snapshot:
    """Pack `retuner_training` and the package of a user's own `recipe` into `folder`/<hash>.zip.

    Raises UserError where the recipe's package is not found or too large to be shipped, or its requirements.txt is
    unusable.
    """
    packages = {TRAINING, _package_of(recipe)}
    files = sorted((file for package in packages for file in _package_files(package)), key=lambda file: file[0])
    _check_size(files, recipe)
    content = _archive(files)
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"{digest}.zip"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda part: part.write_bytes(content))
    read_requirements(path)
    return Snapshot(digest, path, recipe)


def _package_of(recipe: str) -> str:
    return BUILT_IN.get(recipe, recipe).partition(":")[0].partition(".")[0]


def _package_files(package: str) -> Iterator[tuple[str, Path]]:
    """(name in the archive, file) of a package folder, or of a module that is one file."""
    spec = find_spec(package) if package else None
    if spec is None:
        raise UserError(f"The recipe's package '{package}' is not found: install it or start in its parent folder.")
    if spec.submodule_search_locations is None:
        if spec.origin is None or not spec.origin.endswith(".py"):
            raise UserError(f"The recipe's module '{package}' is no Python file ({spec.origin}): it cannot be shipped.")
        yield f"{package}.py", Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        root = Path(location)
        for file in root.rglob("*"):
            inside = file.relative_to(root)
            hidden = any(part in _CACHES or part.startswith(".") for part in inside.parts)
            if file.is_file() and not hidden and file.suffix not in _COMPILED:
                yield f"{package}/{inside.as_posix()}", file


def _check_size(files: list[tuple[str, Path]], recipe: str) -> None:
    size = sum(file.stat().st_size for _, file in files)
    if len(files) <= MAX_FILES and size <= MAX_BYTES:
        return
    name, largest = max(files, key=lambda file: file[1].stat().st_size)
    raise UserError(
        f"The package of the recipe '{recipe}' is too large to be shipped: {len(files)} files of {size // 1024**2} MB, "
        f"at most {MAX_FILES} files and {MAX_BYTES // 1024**2} MB. Move data out of it; the largest file is {name} "
        f"({largest.stat().st_size // 1024**2} MB)."
    )


def _archive(files: list[tuple[str, Path]]) -> bytes:
    """The zip archive as bytes: no times, no rights and no compression, so that they depend on the code alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name)  # dated 1980, whatever the file's time
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()
