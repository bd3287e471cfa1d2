"""The ledger's tables, the database behind them, and the translation of its errors."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy import create_engine as sqlalchemy_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from retuner.errors import RetryableError, RetunerError, UserError

SCHEMA_VERSION = 1

METADATA = MetaData()

SCHEMA = Table("retuner_ledger", METADATA, Column("version", Integer, primary_key=True))

STUDIES = Table(
    "studies",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("model_name", String(64), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("identity", JSON, nullable=False),
    Column("trials", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("target", JSON, nullable=False),
    Column("stages", JSON, nullable=False),
    Column("created", String(40), nullable=False),
    Column("updated", String(40), nullable=False),
    Column("message", Text),
)

TRIALS = Table(
    "trials",
    METADATA,
    Column("study", ForeignKey("studies.name"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("value", Float(53)),
    Column("metrics", JSON, nullable=False),
    Column("standard_errors", JSON, nullable=False),
    Column("reports", JSON, nullable=False),
    Column("attempts", JSON, nullable=False),
    Column("seconds", Float(53)),
    Column("message", Text),
)

BUSY_SECONDS = 30.0
"""How long a writer waits for another one. A reader never waits: the SQLite journal is a write-ahead log."""

_AGAIN = (
    "database is locked",
    "connection failed",
    "connection timeout expired",
    "failed to resolve host",
    "read-only transaction",
    "connection is bad",
    "connection refused",
    "connection is lost",
    "connection is closed",
    "server closed the connection",
    "terminating connection",
    "too many clients",
    "deadlock detected",
)
"""What databases say when the same call may work again."""


def create_engine(url: str) -> Engine:
    """A connection pool for the ledger's URL, SQLite set to survive the loss of the host."""
    try:
        address = make_url(url)
        if address.get_backend_name() not in ("sqlite", "postgresql"):
            raise ArgumentError("only sqlite and postgresql are known")
        if address.get_backend_name() == "postgresql":
            return sqlalchemy_engine(address, json_serializer=to_json, pool_pre_ping=True)
        Path(address.database or "ledger.sqlite").absolute().parent.mkdir(parents=True, exist_ok=True)
        engine = sqlalchemy_engine(address, json_serializer=to_json, connect_args={"timeout": BUSY_SECONDS})
    except (ArgumentError, ImportError, OSError, ValueError) as error:
        # a ValueError repeats a piece of the URL, which may be one of its password
        words = "a part of it is not as it should be" if isinstance(error, ValueError) else error
        raise UserError(
            f"The ledger's URL cannot be used ({words}): RETUNER_LEDGER_URL must look like "
            "sqlite:////folder/ledger.sqlite or postgresql+psycopg://user@host/database."
        ) from (None if isinstance(error, ValueError) else error)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL, not NORMAL: a state is written before the act that it announces, also where the host loses power
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def create_tables(engine: Engine) -> None:
    """Create what is missing. Raises UserError where another version of retuner made the tables."""
    with translated_errors(engine):
        if inspect(engine).has_table(SCHEMA.name):
            return _check_version(engine)
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # two processes that create a table at once fail there, even with IF NOT EXISTS
                connection.execute(text("SELECT pg_advisory_xact_lock(5061197116)"))
            # the version's table last: SQLite commits each one, and whoever finds this one takes all to be there
            for table in sorted(METADATA.sorted_tables, key=lambda table: table is SCHEMA):
                connection.execute(CreateTable(table, if_not_exists=True))
            _insert_version(connection)
    return None


def _insert_version(connection: Any) -> None:
    connection.execute(
        text("INSERT INTO retuner_ledger (version) VALUES (:version) ON CONFLICT DO NOTHING"),
        {"version": SCHEMA_VERSION},
    )


def _check_version(engine: Engine) -> None:
    with engine.connect() as connection:
        versions = list(connection.execute(select(SCHEMA.c.version)).scalars())
    if versions and versions != [SCHEMA_VERSION]:
        raise UserError(
            f"The ledger {_shown(engine)} has the schema version {max(versions)}, and this retuner writes "
            f"{SCHEMA_VERSION}: install the version that made it, or name another ledger in RETUNER_LEDGER_URL."
        )


def to_json(value: Any) -> str:
    """JSON as every database takes it: NaN and infinities become null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def translated_errors(engine: Engine) -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except DBAPIError as error:
        raise _translated(error, engine) from error
    except SQLAlchemyError as error:
        raise UserError(f"The ledger {_shown(engine)} cannot be used: {_first_line(error)}") from error


def _translated(error: DBAPIError, engine: Engine) -> RetunerError:
    words = _first_line(error.orig or error)
    lower = str(error.orig).lower()
    where = f"The ledger {_shown(engine)}"
    if "authentication failed" in lower or "pg_hba.conf" in lower or ('" does not exist' in lower and "fatal" in lower):
        return UserError(f"{where} refuses us ({words}): check RETUNER_LEDGER_URL.")
    if error.connection_invalidated or any(phrase in lower for phrase in _AGAIN):
        return RetryableError(f"{where} cannot be reached at the moment: {words}")
    if "disk is full" in lower or "no space left" in lower or "could not extend file" in lower:
        return UserError(f"{where} cannot be written, the disk is full: make room, then start again with --resume.")
    if "readonly database" in lower or "unable to open database" in lower or "permission denied" in lower:
        return UserError(f"{where} cannot be written ({words}): check who may write to its folder, or RETUNER_HOME.")
    if "not a database" in lower or "malformed" in lower:
        return UserError(f"{where} is damaged ({words}): restore it from a backup or move the file away.")
    return UserError(f"{where} cannot be used: {words}")


def _shown(engine: Engine) -> str:
    """The ledger's address without its password."""
    url = engine.url
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
