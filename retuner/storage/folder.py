"""A store in a folder of this machine, or of a share that all nodes mount under the same path."""

import builtins
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from retuner.disk import disk_errors
from retuner.errors import UserError
from retuner.storage.names import check_name
from retuner_training.result import sha256_of, write_whole


class FolderStore:
    """Files under `root`; names are relative paths with forward slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def location(self, name: str) -> str:
        """The absolute path, which a job on this machine or on the share's mount can open."""
        return str(self._path(name))

    def node_secrets(self, seconds: float) -> dict[str, str]:
        """None: a path needs no key."""
        return {}

    def put(self, file: Path, name: str) -> None:
        """Copy `file` to `name`, whole; a copy, since a link would change with its source."""
        target = self._path(name)
        with disk_errors(f"{name} cannot be written to the store {self.root}"):
            if target.is_file() and sha256_of(target) == sha256_of(file):
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, lambda part: shutil.copyfile(file, part))

    def get(self, name: str, file: Path) -> None:
        """Copy `name` to `file`, whole. Raises UserError where there is none."""
        source = self._path(name)
        if not source.is_file():
            raise UserError(f"The store {self.root} has no {name}.")
        with disk_errors(f"{name} cannot be copied from the store to {file}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, lambda part: shutil.copyfile(source, part))

    def exists(self, name: str) -> bool:
        """Whether the file is there; a file half written has another name."""
        return self._path(name).is_file()

    def list(self, prefix: str) -> builtins.list[str]:
        """Names that begin with `prefix`, sorted; an empty prefix lists all."""
        folder = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self.root
        names = (file.relative_to(self.root).as_posix() for file in _files_under(folder))
        return sorted(name for name in names if name.startswith(prefix))

    def manifest(self, prefix: str) -> dict[str, str]:
        """SHA-256 of each file under `prefix`, by name, read anew from the files."""
        return {name: sha256_of(self.root / name) for name in self.list(prefix)}

    def _path(self, name: str) -> Path:
        return self.root / check_name(name)


def _files_under(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if not (name.startswith(".") and name.endswith(".part")):
                yield Path(parent, name)


if TYPE_CHECKING:
    from retuner.storage.store import Store

    _: Store = FolderStore(Path())
