"""Faults around a search that is at work: its scheduler dies, its ledger is locked, its disk is full."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from compute_backends import scheduler, worker
from missing import lacking
from retune_command import Retune, wait_until
from what_holds import Kept, assert_all_holds, assert_only_whole_entries, completed, shortened, what_is_kept

from retuner.search.records import failure_class

TRIALS = 8
STOP_SECONDS = 15
"""Within so many seconds of a signal jobs are cancelled, the ledger is closed and the cluster is given back."""


def start_and_wait(retune: Retune, *arguments: str, delay: float = 0.1) -> "subprocess.Popen[str]":
    """A search in mid-air: two trials have completed. A training takes six times the delay."""
    process = retune.start(*retune.search("--json", *arguments, trials=TRIALS, space={"delay": delay}))
    wait_until(lambda: completed(retune) >= 2, "two completed trials")
    return process


def assert_finished(retune: Retune, process: "subprocess.Popen[str]", kept: Kept) -> None:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"] == {"asked": TRIALS, "completed": TRIALS, "pruned": 0, "failed": 0}
    assert_all_holds(retune, kept, trials=TRIALS)
    assert retune.trainings() == retune.qualities().total() + 1, "the final training was repeated"


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
    kept = what_is_kept(retune)
    assert 0 < len(kept.values) < 24
    assert {kept.trained[quality] for quality in kept.values} == {1}

    assert kept.study is not None
    resumed = json.loads(retune("run", "--resume", kept.study, "--json").stdout)
    assert resumed["study"] == kept.study
    assert resumed["trials"] == {"asked": 24, "completed": 24, "pruned": 0, "failed": 0}
    best = resumed["best"]["params"]["quality"]
    assert (best, resumed["best"]["value"]) == (expected["best"]["params"]["quality"], expected["best"]["value"])
    assert_all_holds(retune, kept, trials=24)
    assert retune.qualities().keys() == undisturbed.qualities().keys()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_search_that_a_signal_stops_is_finished_by_the_next_start(retune: Retune, number: signal.Signals):
    process = start_and_wait(retune)
    process.send_signal(number)
    signalled = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - signalled < STOP_SECONDS, err
    assert process.returncode == 130, err
    assert "retune run --resume" in err
    [study] = retune.status()
    assert (study["state"], study["trials"]["running"]) == ("open", 0)
    assert_finished(retune, retune.start("run", "--resume", "--json"), what_is_kept(retune))


def test_of_two_searches_of_one_model_the_second_waits_or_is_refused(retune: Retune):
    process = start_and_wait(retune)
    kept = what_is_kept(retune)
    waiting = retune.start(*retune.search("--seed", "1", "--lease-wait-minutes", "5", "--json", trials=2))
    refused = retune(*retune.search(trials=TRIALS))
    assert refused.returncode == 1
    assert "Another retune of FAQ_ranker is at work" in refused.stderr
    for one, trials in ((process, TRIALS), (waiting, 2)):
        out, err = one.communicate(timeout=300)
        assert one.returncode == 0, err
        assert json.loads(out)["trials"]["completed"] == trials
    assert_all_holds(retune, kept, trials=TRIALS)
    assert retune.trainings() == TRIALS + 2 + 2, "each trial once, and two final trainings"


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
    kept = what_is_kept(retune)
    with ExitStack() as cluster:
        cluster.enter_context(scheduler(folder, int(address.rpartition(":")[2])))
        for _ in range(2):
            cluster.enter_context(worker(address, folder))
        assert_finished(retune, process, kept)


@pytest.mark.parametrize("place", ["embedded", pytest.param("separate", marks=pytest.mark.long)])
def test_a_search_goes_on_when_one_of_its_dask_workers_was_killed(retune: Retune, place: str):
    """Its trial is trained anew, once; a worker of our own is replaced, one of others is gone."""
    with ExitStack() as cluster:
        arguments = cluster.enter_context(separate_workers(retune)) if place == "separate" else ()
        process = start_and_wait(retune, *arguments, delay=0.3)
        before = retune.trainings()
        wait_until(lambda: retune.trainings() > before, "a training that has just begun")
        os.kill(int(retune.record.read_text().splitlines()[-1]), signal.SIGKILL)
        assert_finished(retune, process, what_is_kept(retune))
    attempts = [len(trial["attempts"]) for trial in trials_of(retune)]
    assert sorted(attempts) == [1] * (TRIALS - 1) + [2]


def test_a_worker_killed_with_short_trials_that_wait_there_costs_each_one_attempt_at_most(retune: Retune):
    trials = 80
    process = retune.start(*retune.search("--json", trials=trials, space={"delay": 0.01}))
    wait_until(lambda: completed(retune) >= 20, "twenty completed trials")
    os.kill(int(retune.record.read_text().splitlines()[-1]), signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"] == {"asked": trials, "completed": trials, "pruned": 0, "failed": 0}
    again = [trial["attempts"] for trial in trials_of(retune) if len(trial["attempts"]) > 1]
    assert {len(attempts) for attempts in again} == {2}
    reasons = Counter(failure_class(first["reason"]) for first, _ in again)
    assert 0 < reasons["not begun"] <= 16
    assert reasons["lost"] <= 1
    assert reasons.keys() <= {"not begun", "lost"}
    assert len(retune.qualities()) == trials
    assert retune.trainings() <= trials + 1 + len(again)


def trials_of(retune: Retune) -> list[dict[str, Any]]:
    [study] = retune.status()
    return json.loads(retune("status", study["study"], "--json").stdout)["each"]


@contextmanager
def separate_workers(retune: Retune) -> Iterator[tuple[str, str]]:
    """A scheduler and two workers of others; the arguments that name them."""
    folder = retune.folder / "cluster"
    folder.mkdir()
    with scheduler(folder) as address, worker(address, folder), worker(address, folder):
        yield "--address", address


@pytest.mark.parametrize("seconds", shortened((3, 40), (3,)))
def test_a_locked_ledger_holds_a_search_up_and_that_is_all(retune: Retune, seconds: float):
    """40 s are longer than a writer waits by itself."""
    process = start_and_wait(retune)
    kept = what_is_kept(retune)
    with closing(sqlite3.connect(retune.home / "ledger.sqlite", isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
    assert_finished(retune, process, kept)
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
    kept = what_is_kept(retune)
    assert len(kept.values) >= 2
    assert_only_whole_entries(retune)
    assert_finished(retune, retune.start(*retune.search("--json", trials=TRIALS)), kept)
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
