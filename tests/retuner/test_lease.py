"""The lease of a model, between real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from retuner.errors import Interrupted, UserError
from retuner.search import lease
from retuner.search.lease import hold_lease, is_held
from retuner.settings import Settings, read_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    environment = {"RETUNER_HOME": str(tmp_path)}
    if request.param == "postgresql":
        new_database: Callable[[], str] = request.getfixturevalue("postgres_server")
        environment["RETUNER_LEDGER_URL"] = new_database()
    return read_settings(environment)


HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from retuner.search import lease
from retuner.search.lease import hold_lease
from retuner.settings import Settings
settings = Settings(home=Path(sys.argv[1]), ledger_url=sys.argv[2], mlflow_uri="")
with hold_lease("FAQ", settings):
    children = []
    if "with_children" in sys.argv:
        children.append(subprocess.Popen(["sleep", "120"]).pid)
        child = os.fork()
        if child == 0:
            time.sleep(120)
            os._exit(0)
        children.append(child)
    print("held", *children, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding_process(settings: Settings, *options: str) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """Another process that holds the lease of FAQ until its input ends; with the ids of its children."""
    command = [sys.executable, "-c", HOLDER, str(settings.home), settings.ledger_url, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        word, *children = process.stdout.readline().split()
        assert word == "held"
        try:
            yield process, [int(child) for child in children]
        finally:
            process.kill()
            for child in children:
                os.kill(int(child), signal.SIGKILL)


def test_a_lease_is_held_within_its_block_and_for_its_model_alone(settings):
    assert not is_held("FAQ", settings)
    with hold_lease("FAQ", settings):
        assert is_held("FAQ", settings)
        assert not is_held("Other", settings)
        with hold_lease("Other", settings):
            pass
    assert not is_held("FAQ", settings)
    with hold_lease("FAQ", settings):
        pass


def test_a_second_holder_is_told_who_holds_it_and_since_when(settings):
    with holding_process(settings) as (process, _):
        assert is_held("FAQ", settings)
        words = rf"Another retune of FAQ is at work \(.*process {process.pid} on .* since 20\d\d-.* UTC\): wait for"
        with pytest.raises(UserError, match=words), hold_lease("FAQ", settings):
            pass


def test_a_killed_process_leaves_no_lease_though_its_children_live_on(settings):
    with holding_process(settings, "with_children") as (process, children):
        process.kill()
        process.wait()
        for child in children:
            os.kill(child, 0)
        with hold_lease("FAQ", settings, wait_seconds=5):
            pass


def test_a_waiting_process_gets_the_lease_when_it_is_free(settings):
    with holding_process(settings) as (process, _):
        threading.Timer(0.8, process.stdin.close).start()
        with hold_lease("FAQ", settings, wait_seconds=30):
            assert is_held("FAQ", settings)


def test_an_error_gives_the_lease_back(settings):
    with pytest.raises(ZeroDivisionError), hold_lease("FAQ", settings):
        raise ZeroDivisionError
    assert not is_held("FAQ", settings)


def test_looking_takes_nothing_away_from_a_holder(settings):
    with hold_lease("FAQ", settings):
        assert [is_held("FAQ", settings) for _ in range(3)] == [True] * 3
        with pytest.raises(UserError), hold_lease("FAQ", settings):
            pass


def test_two_homes_with_one_ledger_share_its_leases(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared' / 'ledger.sqlite'}"
    one, two = (read_settings({"RETUNER_HOME": str(tmp_path / name), "RETUNER_LEDGER_URL": url}) for name in "ab")
    with hold_lease("FAQ", one):
        assert is_held("FAQ", two)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    settings = read_settings({"RETUNER_HOME": str(tmp_path / "file")})
    with pytest.raises(UserError, match=r"cannot be taken .*: check RETUNER_HOME"), hold_lease("FAQ", settings):
        pass


def test_whoever_waits_for_a_lease_can_be_told_to_stop(settings):
    stop = threading.Event()
    with holding_process(settings):
        threading.Timer(0.3, stop.set).start()
        with (
            pytest.raises(Interrupted, match="waiting for another retune of FAQ"),
            hold_lease("FAQ", settings, wait_seconds=300, stop=stop),
        ):
            pytest.fail("it took a lease that is held")


def end_sessions(url: str) -> None:
    """As the database does when it is started anew, or when a host has not answered for two minutes."""
    engine = create_engine(url)
    with engine.connect() as connection:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
    engine.dispose()


@pytest.fixture
def on_postgresql(tmp_path: Path, postgres_server: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.3)
    return read_settings({"RETUNER_HOME": str(tmp_path), "RETUNER_LEDGER_URL": postgres_server()})


def test_a_lease_lost_with_its_session_is_taken_again(on_postgresql):
    stop = threading.Event()
    with hold_lease("FAQ", on_postgresql, stop=stop):
        end_sessions(on_postgresql.ledger_url)
        deadline = time.monotonic() + 60
        while not is_held("FAQ", on_postgresql):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not stop.is_set()
    assert not is_held("FAQ", on_postgresql)


def test_whoever_lost_the_lease_to_another_process_stops(on_postgresql, monkeypatch):
    monkeypatch.setattr(lease, "LOOK_SECONDS", 3)  # the other one comes first
    stop = threading.Event()
    with hold_lease("FAQ", on_postgresql, stop=stop):
        end_sessions(on_postgresql.ledger_url)
        monkeypatch.setattr(lease, "LOOK_SECONDS", 0.3)
        with hold_lease("FAQ", on_postgresql):
            assert stop.wait(60)
