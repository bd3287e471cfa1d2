"""Faults around a search that is at work: its scheduler dies, its ledger is locked, its disk is full."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from compute_backends import scheduler, worker
from missing import lacking
from retune_command import Retune, wait_until
from what_holds import assert_only_whole_entries, completed, shortened

TRIALS = 8


def start_and_wait(retune: Retune, *arguments: str) -> "subprocess.Popen[str]":
    """A search in mid-air: two trials have completed."""
    process = retune.start(*retune.search("--json", *arguments, trials=TRIALS))
    wait_until(lambda: completed(retune) >= 2, "two completed trials")
    return process


def assert_finished(retune: Retune, process: "subprocess.Popen[str]") -> None:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"] == {"asked": TRIALS, "completed": TRIALS, "pruned": 0, "failed": 0}
    assert_only_whole_entries(retune.home)


def test_a_search_killed_in_the_middle_of_24_trials_is_resumed_to_the_best_of_an_undisturbed_one(
    retune: Retune, api: str, tmp_path_factory: pytest.TempPathFactory
):
    undisturbed = Retune(tmp_path_factory.mktemp("undisturbed"), api)
    command = retune.search("--seed", "7", "--json", trials=24, space={"delay": 0.05})
    expected = json.loads(undisturbed(*command).stdout)

    process = retune.start(*command)
    wait_until(lambda: retune.trainings() >= 12, "twelve trainings")
    process.kill()
    process.communicate()
    [study] = retune.status()
    ended = [one["params"]["quality"] for one in trials_of(retune, study["study"]) if one["state"] == "completed"]
    assert 0 < len(ended) < 24

    resumed = json.loads(retune("run", "--resume", study["study"], "--json").stdout)
    assert resumed["study"] == study["study"]
    assert resumed["trials"] == {"asked": 24, "completed": 24, "pruned": 0, "failed": 0}
    best = resumed["best"]["params"]["quality"]
    assert (best, resumed["best"]["value"]) == (expected["best"]["params"]["quality"], expected["best"]["value"])
    assert {quality: retune.qualities()[quality] - (quality == best) for quality in ended} == dict.fromkeys(ended, 1)
    assert retune.qualities().keys() == undisturbed.qualities().keys()


def trials_of(retune: Retune, study: str) -> list[dict[str, Any]]:
    return json.loads(retune("status", study, "--json").stdout)["each"]


@pytest.mark.long
def test_a_search_goes_on_when_its_dask_scheduler_was_killed_and_is_back(retune: Retune):
    folder = retune.folder / "cluster"
    folder.mkdir()
    with ExitStack() as cluster:
        address = cluster.enter_context(scheduler(folder))
        for _ in range(2):
            cluster.enter_context(worker(address, folder))
        process = start_and_wait(retune, "--address", address)
        kill_scheduler(folder / "scheduler.json")
        ended, trained = completed(retune), retune.trainings()
    with ExitStack() as cluster:
        cluster.enter_context(scheduler(folder, int(address.rpartition(":")[2])))
        for _ in range(2):
            cluster.enter_context(worker(address, folder))
        assert_finished(retune, process)
    assert retune.trainings() - trained <= (TRIALS - ended) + 1  # and the final training


@pytest.mark.parametrize("seconds", shortened((3, 40), (3,)))
def test_a_locked_ledger_holds_a_search_up_and_that_is_all(retune: Retune, seconds: float):
    """40 s are longer than a writer waits by itself."""
    process = start_and_wait(retune)
    with closing(sqlite3.connect(retune.home / "ledger.sqlite", isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
    assert_finished(retune, process)
    assert retune.trainings() == TRIALS + 1


@pytest.fixture
def small_disk(tmp_path: Path, api: str) -> Iterator[Retune]:
    """The command with a home on a disk of its own."""
    retune = Retune(tmp_path, api)
    retune.home.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", f"size=48m,uid={os.geteuid()}", "none", retune.home]
    if (as_root and shutil.which("sudo") is None) or subprocess.run(mount, capture_output=True).returncode:
        lacking("A disk that can be filled needs root (mount -t tmpfs), or sudo without a password")
    yield retune
    subprocess.run([*as_root, "umount", "--lazy", retune.home], check=True)


def test_a_disk_that_is_full_in_mid_search_ends_it_with_one_sentence_and_loses_nothing(small_disk: Retune):
    retune = small_disk
    process = start_and_wait(retune)
    filler = retune.home / "filler"
    fill(filler)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert "is full: " in err.strip().splitlines()[-1]
    filler.unlink()
    ended, trained = completed(retune), retune.trainings()
    assert ended >= 2
    assert_only_whole_entries(retune.home)
    assert_finished(retune, retune.start(*retune.search("--json", trials=TRIALS)))
    assert retune.trainings() - trained <= (TRIALS - ended) + 1
    assert len(retune.status()) == 1


def fill(file: Path) -> None:
    """Write until there is no room, also not for one more byte."""
    with file.open("wb", buffering=0) as content:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    content.write(bytes(size))


def kill_scheduler(note: Path) -> None:
    """The process that was told to write its address into `note`."""
    [pid] = [one.pid for one in psutil.process_iter(["cmdline"]) if str(note) in (one.info["cmdline"] or ())]
    os.kill(pid, signal.SIGKILL)
