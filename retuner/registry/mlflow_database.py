"""Look a model version up in MLflow's SQLite file without importing MLflow, which takes over two seconds.

`retune ask` has three seconds for everything; docs/decisions/champion-without-mlflow.md weighs the other ways.
MLflow's database stays the only truth: this module reads it and never writes.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from retuner.errors import RetryableError, UserError

PATIENCE = 10.0
"""Seconds to wait for another process that writes."""

_BY_ALIAS = "(SELECT version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?1 AND alias = ?2)"
_LOOK_UP = """
SELECT v.version, COALESCE(v.storage_location, v.source), t.value
FROM model_versions v LEFT JOIN model_version_tags t
    ON t.workspace = v.workspace AND t.name = v.name AND t.version = v.version AND t.key = ?3
WHERE v.workspace = 'default' AND v.name = ?1 AND v.current_stage <> 'Deleted_Internal' AND v.version =
"""


class UnknownSchema(Exception):
    """The tables are not those of the MLflow that this module was written for: ask MLflow itself."""


@dataclass(frozen=True)
class StoredVersion:
    """A model version as the registry holds it."""

    number: str
    location: str
    """Path or URI of the MLflow model."""
    record: str | None
    """The version's record as JSON; None where it was registered in part, or by somebody else."""


def database_file(tracking_uri: str) -> Path | None:
    """The SQLite file behind a tracking address `sqlite:////path`, None for every other kind."""
    prefix = "sqlite:///"
    return Path(tracking_uri.removeprefix(prefix)).absolute() if tracking_uri.startswith(prefix) else None


def find_alias(database: Path, name: str, *, alias: str, record_tag: str) -> StoredVersion | None:
    """The version of `name` that `alias` points to. Raises UnknownSchema, RetryableError or UserError."""
    return _look_up(database, _LOOK_UP + _BY_ALIAS, (name, alias, record_tag))


def find_version(database: Path, name: str, *, number: str, record_tag: str) -> StoredVersion | None:
    """The version `number` of `name`. Raises UnknownSchema, RetryableError or UserError."""
    return _look_up(database, _LOOK_UP + "?2", (name, number, record_tag))


def _look_up(database: Path, query: str, values: tuple[str, str, str]) -> StoredVersion | None:
    if not database.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
            row = connection.execute(query, values).fetchone()
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such"):
            raise UnknownSchema(str(error)) from error
        if "locked" in str(error):
            raise RetryableError(f"The model registry {database} is locked by another process.") from error
        raise UserError(f"The model registry {database} cannot be read ({error}): check its permissions.") from error
    except sqlite3.DatabaseError as error:
        raise UserError(f"The model registry {database} is damaged ({error}): restore it from a backup.") from error
    return None if row is None else StoredVersion(number=str(row[0]), location=row[1], record=row[2])
