"""Large studies without executing anything: nodes, limits and the record."""

import os
from pathlib import Path

import pytest
import requests

from azure_ml_emulator import Script, Settings
from azure_ml_emulator.client import SDK_WARNINGS, create_cluster, until

pytestmark = SDK_WARNINGS
NODES, TRIALS = 16, 96
NAMES = [f"large-t{number:04d}-a1" for number in range(TRIALS)]


def play(run) -> Script:
    """Three reports, the last one as good as the argument says."""
    goal = float(run.definition["arguments"][-1])
    reports = [(0.02 * step, "objective", {"step": step, "value": goal * step / 3}) for step in (1, 2, 3)]
    result = {("results", f"{run.id}/result.json"): b"{}"}
    return Script(seconds=1.0, metrics=reports, log=f"goal {goal}\n", files=result)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(execute=False, script=play, idle_scale=0.005, quota_cores=NODES * 8)


@pytest.fixture(scope="module")
def study(workspace, emulator, azurite, tmp_path_factory):
    """The names of 96 runs on 16 nodes, all ended. The SDK submits the first; the others repeat its request faster."""
    from azureml.core import Environment, Experiment, ScriptRunConfig

    azurite.client().create_container("results")
    create_cluster(workspace, "cpu", max_nodes=NODES, idle_seconds_before_scaledown=60)
    folder, here = tmp_path_factory.mktemp("code"), Path.cwd()
    (folder / "job.py").write_text("")
    config = ScriptRunConfig(str(folder), "job.py", ["0"], compute_target="cpu", environment=Environment("plain"))
    first = Experiment(workspace, "large").submit(config, run_id=NAMES[0])
    os.chdir(here)
    sent = {"Configuration": first.get_details()["runDefinition"], "SnapshotId": emulator.run(first.id).snapshot}
    address = f"https://westeurope.api.azureml.ms/execution/v1.0{emulator.settings.scope}/experiments/large/snapshotrun"
    with requests.Session() as session:
        session.headers.update(workspace._auth.get_authentication_header())
        for number, name in enumerate(NAMES[1:], start=1):
            sent["Configuration"]["arguments"] = [str(number / TRIALS)]
            session.post(address, params={"runId": name}, json=sent).raise_for_status()
    until(lambda: all(emulator.run(name).status == "Completed" for name in NAMES))
    return NAMES


def test_all_trials_complete_on_no_more_nodes_than_there_are(study, emulator):
    assert emulator.inspect(lambda service: service.clusters["cpu"].most_running) == NODES
    assert emulator.inspect(lambda service: service.quota.used_cores()) <= NODES * 8


def test_the_record_tells_the_busiest_second(study, emulator):
    submissions = emulator.record.requests("POST", "snapshotrun$")
    assert len(submissions) == TRIALS
    span = submissions[-1].at - submissions[0].at
    assert TRIALS / (span + 1) <= emulator.record.busiest("POST", "snapshotrun$", seconds=1.0) <= TRIALS
    assert emulator.record.busiest("POST", "snapshotrun$", seconds=span) == TRIALS


def test_scripted_metrics_files_and_logs_are_read_as_any(study, workspace, azurite):
    from azureml.core import Run

    run = Run.get(workspace, study[48])
    assert run.get_metrics() == {"objective": {"step": [1, 2, 3], "value": [0.5 / 3, 0.5 * 2 / 3, 0.5]}}
    assert run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"] == "goal 0.5\n"
    assert azurite.client().get_blob_client("results", f"{run.id}/result.json").download_blob().readall() == b"{}"


def test_idle_nodes_go_back_to_the_minimum(study, emulator):
    until(lambda: emulator.inspect(lambda service: len(service.clusters["cpu"].nodes)) == 0)


def test_the_record_keeps_no_secret(study, emulator):
    kept = repr(emulator.record.requests())
    assert "snapshotrun" in kept
    assert "sig=" not in kept
    assert emulator.environment["AZURE_CLIENT_SECRET"] not in kept
