"""Faults around everything that `retune up` starts: its Prefect server, its worker, and its end in mid-search."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from retune_command import wait_until
from station import Station, marked
from webhook import BLOCK, Webhook
from what_holds import assert_all_holds, assert_only_whole_entries, what_is_kept


@pytest.fixture(scope="module", autouse=True)
def up(station: Station) -> None:
    station.up()


def test_the_prefect_server_is_killed_in_mid_search_and_comes_back(station: Station):
    run = station.in_mid_search(trials=30, seed=21)
    kept = what_is_kept(station.retune)
    server = json.loads((station.retune.home / "prefect" / "server.json").read_text())["pid"]
    os.kill(server, signal.SIGKILL)
    ended = station.wait_for(run)
    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    assert_all_holds(station.retune, kept, trials=30)
    assert json.loads((station.retune.home / "prefect" / "server.json").read_text())["pid"] != server
    assert "The Prefect server had ended" in (station.retune.home / "up.log").read_text()


@pytest.mark.long
def test_what_was_due_while_the_worker_stood_still_is_made_up_for(station: Station):
    """Clean-up is due every minute here."""
    with standing_still(station.worker()):
        wait_until(lambda: scheduled(station, "Late"), "a clean-up that is late", seconds=180)
        [late, *_] = scheduled(station, "Late")
    assert station.wait_for(late)["state_type"] == "COMPLETED"


@pytest.mark.long
def test_a_worker_killed_in_mid_search_is_replaced_and_the_flow_run_goes_on(station: Station):
    run = station.in_mid_search(trials=30, seed=22)
    kept = what_is_kept(station.retune)
    killed = station.worker()
    killed.kill()
    ended = station.wait_for(run)
    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    assert_all_holds(station.retune, kept, trials=30)
    assert station.wait_for(station.trigger("clean-up/every-15-minutes"))["state_type"] == "COMPLETED"
    assert station.worker().pid != killed.pid
    assert "The worker had ended with status -9" in (station.retune.home / "up.log").read_text()


@pytest.mark.long
def test_prefects_locked_database_holds_a_flow_run_up_and_that_is_all(station: Station):
    run = station.in_mid_search(trials=30, seed=23)
    kept = what_is_kept(station.retune)
    database = station.retune.home / "prefect" / "prefect.db"
    with closing(sqlite3.connect(database, isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(15)
        other.execute("ROLLBACK")
    assert station.wait_for(run)["state_type"] == "COMPLETED"
    assert_all_holds(station.retune, kept, trials=30)


@pytest.fixture
def without_clean_up(station: Station, webhook: Webhook) -> Iterator[None]:
    """It would be the first to see what is gone."""
    station.write_deployments(crons={"every-15-minutes": "0 0 1 1 *"}, blocks=[BLOCK])
    station.up()
    yield
    station.write_deployments()
    station.up()


@pytest.mark.long
@pytest.mark.usefixtures("without_clean_up")
def test_a_flow_run_killed_together_with_its_worker_ends_crashed_within_three_minutes(station, webhook):
    before = len(station.retune.status())
    run = station.in_mid_search(trials=30, seed=24)
    station.worker().kill()
    os.kill(json.loads((station.retune.home / "leases" / "FAQ_ranker.json").read_text())["pid"], signal.SIGKILL)
    ended = station.wait_for(run, seconds=180)
    kept = what_is_kept(station.retune)
    assert ended["state_type"] == "CRASHED"
    assert "No heartbeat" in ended["state"]["message"]
    webhook.wait_for("retuner: retune-FAQ_ranker is Crashed", seconds=30)
    following = station.trigger("retune/local", search={"trials": 30, "seed": 24})  # its slot is free again
    assert station.wait_for(following)["state_type"] == "COMPLETED"
    assert_all_holds(station.retune, kept, trials=30)
    assert len(station.retune.status()) == 1 + before


@pytest.mark.long
def test_a_retune_whose_cron_is_due_really_starts_and_comes_to_its_end(station: Station):
    before = len(station.retune.status())
    station.write_deployments(crons={"local": "* * * * *"})
    station.up()
    try:
        wait_until(lambda: scheduled(station, "Completed", "local"), "a scheduled retune", seconds=180)
    finally:
        station.write_deployments()
        station.up()
    studies = station.retune.status()
    assert len(studies) > before
    assert (studies[-1 - before]["state"], studies[-1 - before]["trials"]["completed"]) == ("finished", 6)
    assert_only_whole_entries(station.retune)


def test_down_stops_a_flow_run_and_leaves_no_process_and_its_study_goes_on(station: Station):
    run = station.in_mid_search(trials=20, seed=9)
    station.down()
    assert marked(station.retune.home) == []
    study = station.retune.status()[0]
    assert (study["state"], study["trials"]["running"]) == ("open", 0)
    assert flow_run_state(station.retune.home, run) == "CANCELLED"
    assert station.retune("down").stdout == "Nothing is up.\n"
    ui = station.retune.start("ui")
    assert ui.stdout.readline().startswith("Prefect UI: ")
    assert station.retune("down").stdout.startswith("Nothing is up. The Prefect server stays: another command uses it")
    ui.terminate()
    ui.communicate(timeout=60)
    kept = what_is_kept(station.retune)
    resumed = station.retune("run", "--resume", study["study"])
    assert resumed.returncode == 0, resumed.stderr
    assert_all_holds(station.retune, kept, trials=20)


@contextmanager
def standing_still(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def scheduled(station: Station, state: str, tag: str = "clean-up") -> list[str]:
    """Flow runs of clean-up, or with another tag, made by a schedule, in that state."""
    wanted = {"tags": {"all_": ["auto-scheduled", tag]}, "state": {"name": {"any_": [state]}}}
    return [one["id"] for one in station.call("POST", "flow_runs/filter", {"flow_runs": wanted})]


def flow_run_state(home: Path, id_: str) -> str:
    """As the database has it: the server is gone."""
    with closing(sqlite3.connect(home / "prefect" / "prefect.db")) as database:
        rows = database.execute(
            "SELECT state_type FROM flow_run WHERE replace(id, '-', '') = ?", [id_.replace("-", "")]
        )
        return str(rows.fetchone()[0])
