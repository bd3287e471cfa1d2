"""The lease of a model: whoever works on a model holds it, and it ends with the process, however that ends.

A lock on a file beside the SQLite ledger, or an advisory lock where the ledger is PostgreSQL. Being able to take it is
what "no flow run is alive" means. Processes that the holder starts do not inherit it.
"""

import hashlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from retuner.errors import Interrupted, RetryableError, UserError
from retuner.search.records import now
from retuner.search.tables import create_engine, translated_errors
from retuner.settings import Settings

_log = logging.getLogger(__name__)
_LEAST_WAIT = 0.5
"""Seconds. Whoever looks whether a lease is held takes it for a moment; this outlasts it."""
_POLL = 0.05
LOOK_SECONDS = 15.0
"""Between two looks whether the session that holds a lease on PostgreSQL is still there."""


@contextmanager
def hold_lease(
    model_name: str, settings: Settings, *, wait_seconds: float = 0, stop: threading.Event | None = None
) -> Iterator[None]:
    """Hold the model's lease. Raises UserError that names the holder where it is not free within `wait_seconds`.

    Raises Interrupted where `stop` is set while it waits.
    """
    stop = stop or threading.Event()
    if wait_seconds > _LEAST_WAIT and is_held(model_name, settings):
        _log.info("Another retune of %s is at work: waiting up to %.0f min for its end.", model_name, wait_seconds / 60)
    lease = _advisory_lock if _is_postgresql(settings) else _file_lock
    with lease(model_name, settings, max(wait_seconds, _LEAST_WAIT), stop):
        yield


def is_held(model_name: str, settings: Settings) -> bool:
    """Whether a process works on the model now. Raises UserError where this one may not look."""
    if _is_postgresql(settings):
        with _connection(settings) as connection:
            return _advisory_holder(connection, model_name) is not None
    path = _lock_file(model_name, settings)
    try:
        if not path.exists():
            return False
        with FileLock(path, blocking=False, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError as error:
        raise _unusable(path, error) from error


def _is_postgresql(settings: Settings) -> bool:
    return settings.ledger_url.startswith("postgresql")


def _pause(wait_seconds: float) -> float:
    """Seconds between two tries: short where somebody waits for the answer, long where it may take hours."""
    return min(1.0, max(_POLL, wait_seconds / 100))


def _check_stop(model_name: str, stop: threading.Event) -> None:
    if stop.is_set():
        raise Interrupted(f"Stopped while waiting for another retune of {model_name} to end.")


def _refusal(model_name: str, holder: str) -> UserError:
    return UserError(
        f"Another retune of {model_name} is at work ({holder}): wait for its end or stop it, "
        "or give this one another model_name."
    )


# beside SQLite: a locked file


def _lock_file(model_name: str, settings: Settings) -> Path:
    """Beside the ledger, so that two homes with one ledger share their leases."""
    ledger = make_url(settings.ledger_url).database
    folder = Path(ledger).absolute().parent if ledger else settings.home
    return folder / "leases" / f"{model_name}.lock"


def _unusable(path: Path, error: OSError) -> UserError:
    return UserError(f"The lease {path} cannot be taken ({error.strerror}): check RETUNER_HOME and your rights in it.")


@contextmanager
def _file_lock(model_name: str, settings: Settings, wait_seconds: float, stop: threading.Event) -> Iterator[None]:
    path = _lock_file(model_name, settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False, fallback_to_soft=False)
        lock.acquire(timeout=wait_seconds, poll_interval=_pause(wait_seconds), cancel_check=stop.is_set)
    except Timeout:
        _check_stop(model_name, stop)
        raise _refusal(model_name, _file_holder(path)) from None
    except OSError as error:
        raise _unusable(path, error) from error
    note = path.with_suffix(".json")
    try:
        note.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now().isoformat()}))
        yield
    finally:
        with suppress(OSError):
            note.unlink()
        lock.release()


def _file_holder(path: Path) -> str:
    try:
        note = json.loads(path.with_suffix(".json").read_text())
        return f"process {note['pid']} on {note['host']} since {note['since'][:19].replace('T', ' ')} UTC"
    except (OSError, ValueError, KeyError):
        return "its process is not known"


# PostgreSQL: an advisory lock of a session


def _advisory_key(model_name: str) -> int:
    """63 bits, so that it is a positive bigint."""
    return int.from_bytes(hashlib.sha256(f"retuner lease {model_name}".encode()).digest()[:8]) >> 1


@contextmanager
def _connection(settings: Settings) -> Iterator[Connection]:
    """A connection of its own, each statement its own transaction."""
    engine = create_engine(settings.ledger_url).execution_options(isolation_level="AUTOCOMMIT")
    try:
        with translated_errors(engine):
            connection = engine.connect()
        with connection:
            yield connection
    finally:
        engine.dispose()


_sockets: set[int] = set()
"""File descriptors of the sessions that hold a lease. A forked child closes them: the session must end with us."""


def _close_in_child() -> None:
    while _sockets:
        os.close(_sockets.pop())


os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def _advisory_lock(model_name: str, settings: Settings, wait_seconds: float, stop: threading.Event) -> Iterator[None]:
    over = threading.Event()
    with ExitStack() as session:
        connection = session.enter_context(_locked_session(model_name, settings, wait_seconds, stop))
        watch = {"model_name": model_name, "settings": settings, "over": over, "stop": stop}
        watcher = threading.Thread(target=_keep_session, args=(connection, session), kwargs=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@contextmanager
def _locked_session(
    model_name: str, settings: Settings, wait_seconds: float, stop: threading.Event
) -> Iterator[Connection]:
    """A session that has taken the lock: it is free again when the connection ends, whatever ended it."""
    with _connection(settings) as connection:
        with translated_errors(connection.engine):
            _name_session(connection)
            _take_advisory_lock(connection, model_name, wait_seconds, stop)
        driver: Any = connection.connection.driver_connection
        _sockets.add(socket_number := driver.fileno())
        try:
            yield connection
        finally:
            _sockets.discard(socket_number)


def _keep_session(
    connection: Connection,
    session: ExitStack,
    *,
    model_name: str,
    settings: Settings,
    over: threading.Event,
    stop: threading.Event,
) -> None:
    """Take the lock again where the session was lost, as when the database was started anew or this host stood still.

    Sets `stop` where somebody else has taken it by then: two must never work on one model.
    """
    alive = True
    while not over.wait(LOOK_SECONDS):
        try:
            if alive:
                connection.execute(text("SELECT 1"))
                continue
        except SQLAlchemyError:
            alive = False
            session.close()
        try:
            connection = session.enter_context(_locked_session(model_name, settings, 0, over))
            alive = True
            _log.warning("The lease of %s was lost with its database session and is held again.", model_name)
        except RetryableError:
            continue  # nobody else can have it either
        except UserError as error:
            _log.error("The lease of %s was lost, so this retune stops. %s", model_name, error)
            stop.set()
            return
        except Interrupted:
            return


def _name_session(connection: Connection) -> None:
    """Say who we are, and let the server notice within two minutes that our host is gone."""
    who = f"retuner process {os.getpid()} on {socket.gethostname()}"
    connection.execute(text("SELECT set_config('application_name', :who, false)"), {"who": who[:63]})
    for setting, value in (("idle", 60), ("interval", 15), ("count", 4)):
        connection.execute(text(f"SET tcp_keepalives_{setting} = {value}"))


def _take_advisory_lock(connection: Connection, model_name: str, wait_seconds: float, stop: threading.Event) -> None:
    """Wait for the lock. Raises UserError with the holder's name where it is not free in time."""
    deadline = time.monotonic() + wait_seconds
    take = text("SELECT pg_try_advisory_lock(:key)")
    while not connection.execute(take, {"key": _advisory_key(model_name)}).scalar():
        if time.monotonic() > deadline:
            raise _refusal(model_name, _advisory_holder(connection, model_name) or "its process is not known")
        _check_stop(model_name, stop)
        stop.wait(_pause(wait_seconds))


def _advisory_holder(connection: Connection, model_name: str) -> str | None:
    """The holding session in words; None where nobody holds it."""
    key = _advisory_key(model_name)
    query = text(
        "SELECT a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') "
        "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND l.objsubid = 1 AND l.classid::bigint = :high AND l.objid::bigint = :low"
    )
    row: Any = connection.execute(query, {"high": key >> 32, "low": key & 0xFFFFFFFF}).first()
    return f"{row[0]} since {row[1]} UTC" if row else None
