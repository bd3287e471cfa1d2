"""What keeps server and worker alive: here with a worker that does nothing, and no deployments."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import asdict

import pytest

from cli import prefect_process, station
from cli.prefect_process import Server, is_healthy
from cli.prefect_server import prefect_server, revive_server
from cli.processes import birth, is_alive
from cli.station import Addresses
from retuner.errors import UserError
from retuner.settings import Settings, read_settings


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """Of a home of its own; what the server is told through the environment is taken back."""
    for name in ("PREFECT_API_URL", "PREFECT_UI_URL", "PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")  # so that it is taken back, also where it was not set
        monkeypatch.delenv(name)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    return read_settings({"RETUNER_HOME": str(tmp_path)})


@pytest.fixture
def idle(monkeypatch):
    """A station whose parts do nothing, looked at often."""

    def start_worker(*_: object) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    workers: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(station, "install", list)
    monkeypatch.setattr(station, "prefect_server", lambda *_, **__: nullcontext("http://127.0.0.1:9/api"))
    monkeypatch.setattr(station, "_start_worker", lambda *_: workers.append(start_worker()) or workers[-1])
    monkeypatch.setattr(station, "LOOK_SECONDS", 0.01)
    yield
    for worker in workers:
        worker.communicate(b"\n", timeout=30)


def test_a_server_that_could_not_be_started_again_is_tried_again(settings):
    with prefect_server(settings) as api:
        prefect_process.stop(settings.prefect_home)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(prefect_process, "START_LIMIT", 0)  # a machine that is too busy
            with pytest.raises(UserError, match="did not answer within 0 s"):
                revive_server(settings, api)
        assert revive_server(settings, api)
        assert is_healthy(api)
        assert not revive_server(settings, api)
    assert not is_healthy(api)


@pytest.mark.parametrize("own", [True, False])
def test_a_server_is_started_again_where_it_is_our_own_and_not_a_persons(own, settings, idle, monkeypatch):
    if not own:
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    stop, revived = threading.Event(), []
    monkeypatch.setattr(station, "revive_server", lambda *_: revived.append(1))
    threading.Timer(0.5, stop.set).start()
    station.run_station(settings, stop, port=0)
    assert bool(revived) is own


def test_the_record_of_a_killed_station_is_not_taken_for_that_of_the_next(settings, idle, monkeypatch):
    (settings.home / "up.json").write_text(json.dumps(asdict(Addresses(1, "api", "ui", "pool", []))))
    stop, seen = threading.Event(), []
    stop.set()
    monkeypatch.setattr(station, "install", lambda: seen.append(station.read_station(settings)) or [])
    station.run_station(settings, stop, port=0)
    assert seen == [None]


def test_a_look_whether_a_station_is_up_does_not_keep_one_from_coming_up(settings, idle):
    stop = threading.Event()
    stop.set()
    with (settings.home / "up.lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        station.run_station(settings, stop, port=0)
        fcntl.flock(looking, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="A station is up already"):
            station.run_station(settings, stop, port=0)


def test_a_process_whose_number_was_given_again_is_not_the_one_that_was_looked_for():
    now = birth(os.getpid())
    assert is_alive(os.getpid(), now)
    assert not is_alive(os.getpid(), str(int(now) - 1))


def test_a_server_that_ended_before_it_was_looked_at_is_not_alive():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(timeout=30)
    assert not Server("http://127.0.0.1:1/api", ended.pid, born="").is_alive()
