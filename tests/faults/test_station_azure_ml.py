"""A study on an emulated workspace under the worker of `retune up`: cancelled, killed and retried, ended by `down`."""

import json
import os
import signal
from collections.abc import Iterator

import pytest
from azure_retune import AzureRetune, emulated
from azure_study import play
from retune_command import wait_until
from station import Station, marked

pytestmark = pytest.mark.long
NODES, TRIALS = 2, 6
STOP_SECONDS = 60
"""Within so many seconds of a cancellation runs are cancelled and the nodes given back."""


@pytest.fixture(scope="module")
def station(azurite_https, tmp_path_factory) -> Iterator[Station]:
    """Its deployment retune/azure-ml names the emulated workspace, where a training takes a while."""
    folder = tmp_path_factory.mktemp("azure-station")
    with emulated(azurite_https, execute=False, script=lambda run: play(run, seconds=3.0)) as emulator:
        retune = AzureRetune(folder, emulator, azurite_https)
        station = Station(folder, retune, {"azure-ml": retune.place(nodes=NODES)})
        station.write_deployments(crons={"every-15-minutes": "0 0 1 1 *"})  # it would stop what a retry adopts
        station.up()
        try:
            yield station
        finally:
            station.down()


def start_and_wait(station: Station, *, seed: int) -> tuple[str, str]:
    """A flow run in mid-search, with runs alive; its id and its study."""
    before = len(station.retune.status())
    run = station.trigger("retune/azure-ml", search={"trials": TRIALS, "seed": seed})
    wait_until(lambda: len(station.retune.status()) > before, "a study")
    study = station.retune.status()[0]["study"]
    wait_until(lambda: counters(station, study)["completed"] >= 2 and alive(station), "completed trials and live runs")
    return run, study


def counters(station: Station, study: str) -> dict[str, int]:
    [found] = [one for one in station.retune.status() if one["study"] == study]
    return found["trials"]


def jobs(station: Station, study: str) -> list[str]:
    """Every job that was ever started for the study."""
    runs = station.retune.emulator.inspect(lambda s: [run.id for run in s.state.runs.values() if run.definition])
    return sorted(run for run in runs if run.startswith(f"{study}-"))


def alive(station: Station) -> list[str]:
    runs = station.retune.emulator.inspect(lambda s: list(s.state.runs.values()))
    return [run.id for run in runs if run.definition and not run.is_finished()]


def assert_given_back(station: Station) -> None:
    look = station.retune.emulator.inspect
    assert look(lambda service: (service.clusters["retuner"].minimum, dict(service.state.secrets))) == (0, {})
    assert look(lambda s: [run.id for run in s.state.runs.values() if not run.is_finished()]) == []


def assert_open(station: Station, study: str) -> None:
    [found] = [one for one in station.retune.status() if one["study"] == study]
    assert (found["state"], found["trials"]["running"]) == ("open", 0)


def completed_jobs(station: Station, study: str) -> list[str]:
    runs = station.retune.emulator.inspect(
        lambda s: [run.id for run in s.state.runs.values() if run.status == "Completed"]
    )
    return [job for job in jobs(station, study) if job in runs]


def assert_finished_without_repeating(station: Station, study: str, before: list[str]) -> None:
    """All trials completed, each that had completed `before` with the one job that it had."""
    [found] = [one for one in station.retune.status() if one["study"] == study]
    assert (found["state"], found["trials"]["completed"]) == ("finished", TRIALS)
    trials = {job.rpartition("-a")[0] for job in before}
    assert [job for job in jobs(station, study) if job.rpartition("-a")[0] in trials] == before != []
    assert_given_back(station)


def test_cancel_gives_the_nodes_back_within_a_minute_and_the_next_start_goes_on(station):
    run, study = start_and_wait(station, seed=1)
    station.call("POST", f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})  # as the UI's button
    ended = station.wait_for(run, seconds=STOP_SECONDS)
    assert ended["state_type"] == "CANCELLED", ended["state"]["message"]
    assert_given_back(station)
    assert_open(station, study)
    before = completed_jobs(station, study)

    following = station.wait_for(station.trigger("retune/azure-ml", search={"trials": TRIALS, "seed": 1}))
    assert following["state_type"] == "COMPLETED", following["state"]["message"]
    assert_finished_without_repeating(station, study, before)


def test_retry_after_a_kill_adopts_the_live_runs(station):
    run, study = start_and_wait(station, seed=2)
    before = completed_jobs(station, study)
    os.kill(json.loads((station.retune.home / "leases" / "FAQ_ranker.json").read_text())["pid"], signal.SIGKILL)
    assert station.wait_for(run)["state_type"] == "CRASHED"
    # the worker reports the end of the process that it started, too; a retry before that would crash of it
    log = station.retune.home / "worker.log"
    wait_until(lambda: "flow_runs.worker - Check whether the flow run exceeded" in log.read_text(), "the worker's word")
    retry = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}  # as the UI's button
    station.call("POST", f"flow_runs/{run}/set_state", retry)
    station.wait_for(run, {"RUNNING"})
    ended = station.wait_for(run)
    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    assert len(jobs(station, study)) == TRIALS + 1, "a trial was paid for twice"
    assert_finished_without_repeating(station, study, before)


def test_down_gives_the_nodes_back_and_the_study_is_finished_from_the_command_line(station):
    _, study = start_and_wait(station, seed=3)
    station.down()
    assert marked(station.retune.home) == []
    assert_given_back(station)
    assert_open(station, study)
    before = completed_jobs(station, study)

    done = station.retune("run", "--resume", study, "--json")
    assert done.returncode == 0, done.stderr
    assert_finished_without_repeating(station, study, before)
