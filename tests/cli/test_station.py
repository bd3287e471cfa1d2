"""What keeps server and worker alive: here with a worker that does nothing, and no deployments."""

import subprocess
import sys
import threading

import pytest

from cli import prefect_process, station
from cli.prefect_process import Server, is_healthy
from cli.prefect_server import prefect_server, revive_server
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
        revive_server(settings, api)
        assert is_healthy(api)
    assert not is_healthy(api)


def test_a_persons_own_server_is_not_started_by_us(settings, api, idle, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", api)
    stop, revived = threading.Event(), []
    monkeypatch.setattr(station, "revive_server", lambda *_: revived.append(1))
    threading.Timer(0.5, stop.set).start()
    station.run_station(settings, stop, port=0)
    assert revived == []


def test_a_server_that_ended_before_it_was_looked_at_is_not_alive():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(timeout=30)
    assert not Server("http://127.0.0.1:1/api", ended.pid, born="").is_alive()
