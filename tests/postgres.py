"""A throw-away PostgreSQL server for the tests that need one: own folder, own socket, no network."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from missing import lacking

HOW_TO_GET_IT = "PostgreSQL is not installed: apt-get install postgresql"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[], str]]:
    """A running server: call it for the SQLAlchemy URL of a new, empty database."""
    binaries = _binaries()
    if binaries is None:
        lacking(HOW_TO_GET_IT)
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path may have 107 characters at most
    _run(["chown", "postgres", str(folder)]) if os.geteuid() == 0 else None
    data = folder / "data"
    control = _as_user([str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")])
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=50"
    try:
        _run(_as_user([str(binaries / "initdb"), "-D", str(data), "-U", "tester", "-A", "trust", "-N", "-E", "UTF8"]))
        _run([*control, "-o", options, "start"])
        yield lambda: _new_database(binaries, folder)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True, check=False, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


def _new_database(binaries: Path, folder: Path) -> str:
    name = f"db{uuid.uuid4().hex[:12]}"
    _run([str(binaries / "createdb"), "-h", str(folder), "-U", "tester", name])
    return f"postgresql+psycopg://tester@/{name}?host={folder}"


def _binaries() -> Path | None:
    """The newest installed version's folder."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _as_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to be started by root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")
