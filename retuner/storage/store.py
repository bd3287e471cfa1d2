"""Where datasets, results and models lie: the protocol that every store follows."""

from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Files by name (`datasets/<name>/texts.parquet`), whole or not at all. Raises RetryableError or UserError."""

    def location(self, name: str) -> str:
        """Where a job on a node finds the file or folder `name`: its path, or its address without a signature."""

    def node_secrets(self, seconds: float) -> dict[str, str]:
        """Secret environment variables with which a job reaches locations for `seconds` from now; none for a folder."""

    def put(self, file: Path, name: str) -> None:
        """Write `file` as `name`; nothing is written where the same content is there already."""

    def get(self, name: str, file: Path) -> None:
        """Copy `name` to `file`. Raises UserError where there is none."""

    def exists(self, name: str) -> bool:
        """Whether `name` is there, whole."""

    def list(self, prefix: str) -> list[str]:
        """Names that begin with `prefix`, sorted."""

    def manifest(self, prefix: str) -> dict[str, str]:
        """SHA-256 of each file under `prefix`, by name."""
