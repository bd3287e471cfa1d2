"""A Prefect server of our own: shared by those who need it, stopped by the last, never in anybody's home."""

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest
from retune_command import Retune, ask_api
from station import free_port, marked

from cli.prefect_server import prefect_server
from retuner.errors import UserError
from retuner.settings import read_settings

CHECKOUT = Path(__file__).resolve().parent.parent.parent
USE = """
import sys
from cli.prefect_server import prefect_server
from retuner.settings import read_settings
with prefect_server(read_settings()) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""


class User:
    """A process that uses the server until it is told to end."""

    def __init__(self, folder: Path, **more: str) -> None:
        environment = {
            **more,
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RETUNER_HOME": str(folder / "retuner"),
            "PYTHONPATH": str(CHECKOUT),
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", USE], env=environment, **pipes)

    def url(self) -> str:
        return self.process.stdout.readline().strip()

    def end(self) -> str:
        """What it said on stderr."""
        return self.process.communicate("\n", timeout=60)[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


def server_pid(folder: Path) -> int:
    return int(json.loads((folder / "retuner" / "prefect" / "server.json").read_text())["pid"])


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def test_two_users_share_a_server_and_the_last_one_stops_it(tmp_path):
    first, second = User(tmp_path), User(tmp_path)
    assert first.url() == second.url() != ""
    pid = server_pid(tmp_path)
    said = [first.end()]
    assert is_alive(pid)
    said.append(second.end())
    assert sorted(said) == ["", "Starting Prefect; this takes 10 to 40 seconds ...\n"]  # it was started by one
    assert not is_alive(pid)
    assert not (tmp_path / "retuner" / "prefect" / "server.json").exists()
    assert not (tmp_path / ".prefect").exists()


def test_our_server_writes_task_runs_together_unless_the_environment_says_otherwise(tmp_path):
    user = User(tmp_path, PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE="7")
    recorder = ask_api(user.url(), "admin/settings")["server"]["services"]["task_run_recorder"]
    user.end()
    assert (recorder["batch_size"], recorder["flush_interval"]) == (7, 1)


def test_a_killed_user_leaves_a_server_that_the_next_one_takes_over(tmp_path):
    killed = User(tmp_path)
    url = killed.url()
    killed.kill()
    pid = server_pid(tmp_path)
    assert is_alive(pid)
    following = User(tmp_path)
    assert following.url() == url
    following.end()
    assert not is_alive(pid)


def test_a_server_that_was_killed_is_replaced(tmp_path):
    first = User(tmp_path)
    first.url()
    os.killpg(server_pid(tmp_path), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while is_alive(server_pid(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    second = User(tmp_path)
    assert second.url()
    pid = server_pid(tmp_path)
    second.end()
    first.end()
    assert not is_alive(pid)


def test_a_run_leaves_its_own_server_only_when_every_end_is_recorded(tmp_path):
    retune = Retune(tmp_path)  # without the address of a server
    done = retune(*retune.search("--json", trials=8))
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(retune.home / "prefect" / "prefect.db")) as database:
        states = Counter(database.execute("SELECT name, state_type FROM task_run"))
    trials = {name: state for name, state in states if name.startswith("trial-")}
    assert trials == {f"trial-{number:04d}": "COMPLETED" for number in range(8)}
    assert {state for _, state in states} == {"COMPLETED"}
    assert ("scale-back", "COMPLETED") in states
    assert not (retune.home / "prefect" / "server.json").exists()
    assert not (tmp_path / ".prefect").exists()


def test_on_a_terminal_there_is_a_progress_bar(retune):
    """A pseudo-terminal stands for the person's; what is drawn on it is what they see."""
    screen, terminal = pty.openpty()
    process = retune.start(*retune.search(trials=6), stderr=terminal)
    os.close(terminal)
    drawn = b""
    with suppress(OSError):  # a terminal whose last user is gone answers with an error
        while part := os.read(screen, 4096):
            drawn += part
    os.close(screen)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"6/6" in drawn
    assert drawn.count(b"\x1b[2K") > 2  # a line that is drawn again and again
    assert out.startswith("study")


def test_a_port_that_another_program_has_is_refused(tmp_path, monkeypatch):
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = read_settings({"RETUNER_HOME": str(tmp_path)})
        with pytest.raises(UserError, match=f"Port {port} is taken"), prefect_server(settings, port=port):
            pytest.fail("it took the other program for a Prefect server")


def test_a_start_that_is_interrupted_leaves_no_server(tmp_path):
    user = User(tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "retuner" / "prefect" / "server.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = server_pid(tmp_path)
    user.process.send_signal(signal.SIGINT)
    user.process.communicate(timeout=60)
    assert not is_alive(pid)


def test_an_api_that_does_not_answer_is_named(tmp_path, monkeypatch):
    for name in ("PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    settings = read_settings({"RETUNER_HOME": str(tmp_path)})
    with (
        pytest.raises(UserError, match=r"Prefect API at 127\.0\.0\.1 .* unset PREFECT_API_URL"),
        prefect_server(settings),
    ):
        pytest.fail("it went on without an API")


def test_a_server_that_the_own_profile_names_is_not_used_without_a_word(tmp_path, monkeypatch, capsys):
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "profiles.toml").write_text(
        'active = "team"\n[profiles.team]\nPREFECT_API_URL = "http://prefect.example:4200/api"\n'
    )
    settings = read_settings({"RETUNER_HOME": str(tmp_path)})
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(UserError),  # the port is taken: it is all about what is said before
        prefect_server(settings, port=other.getsockname()[1]),
    ):
        pytest.fail("it took the other program for a Prefect server")
    assert "profile team names a server, which is not used: set PREFECT_API_URL" in capsys.readouterr().err


def test_no_command_has_prefect_imported_before_it_has_a_server():
    """It reads its settings when it is imported: without a server's address it would start one of its own."""
    modules = [f"cli.{file.stem}" for file in (CHECKOUT / "cli").glob("[!_]*.py")]
    code = "import importlib, sys; [*map(importlib.import_module, sys.argv[1:])]; print('prefect' in sys.modules)"
    command = [sys.executable, "-c", code, *modules]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"


def test_retune_ui_shows_the_database_that_flow_runs_write_to_and_leaves_no_process(tmp_path):
    retune = Retune(tmp_path)
    done = retune(*retune.search("--json", trials=1))
    assert done.returncode == 0, done.stderr
    process = retune.start("ui", "--json", "--port", str(free_port()))
    url = json.loads(process.stdout.readline())["url"]
    flow_run = ask_api(f"{url}/api", f"flow_runs/{json.loads(done.stdout)['flow_run']}")
    assert flow_run["state_type"] == "COMPLETED"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert marked(retune.home) == []
