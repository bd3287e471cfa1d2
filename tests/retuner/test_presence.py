"""Which flow runs have a process: a lock that ends with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from retuner.presence import announce, forget, gone, is_alive
from retuner.settings import Settings, read_settings

DIE = "import os, sys; from retuner.presence import announce; from retuner.settings import read_settings\n"
DIE += "with announce('a', read_settings({'RETUNER_HOME': sys.argv[1]})): os.kill(os.getpid(), 9)"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return read_settings({"RETUNER_HOME": str(tmp_path)})


def die(settings: Settings) -> Path:
    """A process that announced the flow run `a` was killed; its lock."""
    subprocess.run([sys.executable, "-c", DIE, str(settings.home)], timeout=60, check=False)
    return settings.home / "flow-runs" / "a.lock"


def test_a_killed_process_is_gone_until_it_is_forgotten(settings):
    die(settings)
    assert gone(settings) == gone(settings) == {"a"}
    assert not is_alive("a", settings)
    forget("a", settings)
    assert gone(settings) == set()


def test_a_live_one_and_one_that_ended_or_raised_are_not_gone(settings):
    with announce("a", settings):
        assert gone(settings) == set()
        assert is_alive("a", settings)
    assert gone(settings) == set()
    assert not is_alive("a", settings)
    with pytest.raises(ZeroDivisionError), announce("a", settings):
        raise ZeroDivisionError
    assert gone(settings) == set()


def test_one_that_ended_while_it_was_looked_for_is_not_gone(settings, monkeypatch):
    lock = die(settings)
    monkeypatch.setattr(Path, "glob", lambda *_: [lock])
    lock.unlink()
    assert gone(settings) == set()
    assert not lock.exists()


def test_one_that_was_started_again_is_not_forgotten(settings):
    lock = die(settings)
    with announce("a", settings):
        forget("a", settings)
        assert lock.exists()
