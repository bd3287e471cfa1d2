"""Submissions, runs, metrics and logs, asked for by the real SDK; the jobs are real processes."""

import os
import sys
from pathlib import Path

import pytest

from azure_ml_emulator.client import SDK_WARNINGS, until

pytestmark = SDK_WARNINGS

TRAIN = """
import sys
from azureml.core import Run
run = Run.get_context()
print("training with", sys.argv[1:], flush=True)
for step in (1, 2):
    run.log_row("objective", step=step, value=step / 10)
run.log("gain", 0.25)
run.tag("reached", "the end")
run.flush()
open("outputs/model.txt", "w").write(run.id)
"""
SLEEP = """
import os, pathlib, time
print("sleeping as", os.getpid(), flush=True)
time.sleep(600)
"""
FAIL = """
print("about to fail", flush=True)
raise ValueError("no such column")
"""


@pytest.fixture(scope="module")
def experiment(workspace):
    from azureml.core import Experiment

    return Experiment(workspace, "study")


@pytest.fixture
def submit(experiment, cluster, tmp_path):
    """Submit a script under a name; the working directory, which the SDK moves, is put back."""
    from azureml.core import Environment, ScriptRunConfig

    environment = Environment("plain")
    environment.python.user_managed_dependencies = True
    here = Path.cwd()

    def start(code: str, name: str, *, parent=None, **options):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "job.py").write_text(code)
        config = ScriptRunConfig(
            str(folder), "job.py", compute_target="cpu", environment=environment, **{"arguments": ["--a", 1], **options}
        )
        return parent.submit_child(config, run_id=name) if parent else experiment.submit(config, run_id=name)

    yield start
    os.chdir(here)


def test_a_job_runs_the_snapshot_and_reports_to_its_run(submit, tmp_path):
    run = submit(TRAIN, "whole")
    until(lambda: run.get_status() in ("Completed", "Failed"))
    assert run.get_status() == "Completed", run.get_details_with_logs()["logFiles"]
    assert run.get_metrics() == {"objective": {"step": [1, 2], "value": [0.1, 0.2]}, "gain": 0.25}
    assert "training with ['--a', '1']" in run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
    assert run.get_tags()["reached"] == "the end"
    run.download_file("outputs/model.txt", str(tmp_path / "model.txt"))
    assert (tmp_path / "model.txt").read_text() == "whole"


def test_the_same_run_id_twice_is_one_run(submit, experiment, emulator):
    first, second = submit(TRAIN, "twice"), submit(TRAIN, "twice")
    until(lambda: first.get_status() == "Completed")
    assert second.get_status() == "Completed"
    assert [run.id for run in experiment.get_runs(include_children=True) if run.id == "twice"] == ["twice"]
    assert len(emulator.record.requests("GET", "experimentids/.*/runs/twice/")) < 3
    assert len(emulator.record.requests("POST", "runs/twice/batch")) == 1, "the job ran twice"


def test_a_failed_script_fails_the_run_and_leaves_its_log(submit):
    run = submit(FAIL, "failing")
    until(lambda: run.get_status() == "Failed")
    details = run.get_details_with_logs()
    assert "exit code 1" in details["error"]["error"]["message"]
    assert "ValueError: no such column" in details["logFiles"]["user_logs/std_log.txt"]


def test_a_cancelled_run_ends_its_process(submit):
    run = submit(SLEEP, "cancelled")
    until(lambda: "sleeping as" in run.get_details_with_logs()["logFiles"].get("user_logs/std_log.txt", ""))
    process = int(run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"].split()[2])
    run.cancel()
    until(lambda: run.get_status() == "Canceled")
    until(lambda: not Path(f"/proc/{process}").exists() if sys.platform == "linux" else True)


def test_a_run_is_not_found_in_another_experiment(experiment, workspace):
    from azureml._restclient.exceptions import ServiceException
    from azureml.core import Experiment, Run

    experiment.start_logging(run_id="elsewhere", snapshot_directory=None, outputs=False)
    with pytest.raises(ServiceException, match="elsewhere was not found in the experiment other"):
        Run(Experiment(workspace, "other"), "elsewhere")


def test_the_maximum_duration_ends_a_run(submit):
    run = submit(SLEEP, "too-long", max_run_duration_seconds=1)
    until(lambda: run.get_status() == "Canceled")
    assert "maximum duration" in run.get_details()["error"]["error"]["message"]


def test_children_are_found_by_their_parent_tag_and_filter(submit, experiment):
    parent = experiment.start_logging(run_id="parent", snapshot_directory=None, outputs=False)
    child = submit(FAIL, "child", parent=parent)
    child.tag("study", "s-1")
    assert [run.id for run in parent.get_children()] == ["child"]
    assert [run.id for run in experiment.get_runs(tags={"study": "s-1"}, include_children=True)] == ["child"]
    assert list(experiment.get_runs(tags={"study": "s-2"}, include_children=True)) == []
    until(lambda: child.get_status() == "Failed")
    parent.complete()
    assert parent.get_status() == "Completed"


def test_states_and_metrics_of_many_runs_are_read_at_once(submit, experiment, emulator):
    from azureml._restclient.experiment_client import ExperimentClient

    names = [f"many-{number}" for number in range(3)]
    runs = [submit(TRAIN, name) for name in names]
    until(lambda: all(run.get_status() == "Completed" for run in runs))
    client = ExperimentClient(experiment.workspace.service_context, experiment.name)
    before = len(emulator.record.requests("POST", "query"))
    states = {run.run_id: run.status for run in client.get_runs_by_run_ids(names)}
    metrics = list(client.get_metrics_by_run_ids(names))
    assert states == dict.fromkeys(names, "Completed")
    rows = [(metric.run_id, metric.cells[0]) for metric in metrics if metric.name == "objective"]
    assert rows == [(name, {"step": step, "value": step / 10}) for name in names for step in (1, 2)]
    assert len(emulator.record.requests("POST", "query")) - before == 2


def test_pages_are_followed_to_the_end(experiment, emulator):
    for number in range(5):
        experiment.start_logging(run_id=f"page-{number}", snapshot_directory=None, outputs=False).complete()
    from azureml._restclient.experiment_client import ExperimentClient

    client = ExperimentClient(experiment.workspace.service_context, experiment.name)
    names = [f"page-{number}" for number in range(5)]
    assert sorted(run.run_id for run in client.get_runs_by_run_ids(names, page_size=2)) == names


def test_an_unknown_compute_target_refuses_the_submission(experiment, tmp_path):
    from azureml.core import ScriptRunConfig
    from azureml.exceptions import ExperimentExecutionException

    (tmp_path / "job.py").write_text(FAIL)
    with pytest.raises(ExperimentExecutionException, match="Compute target nowhere was not found"):
        experiment.submit(ScriptRunConfig(str(tmp_path), "job.py", compute_target="nowhere"), run_id="refused")


def test_an_environment_is_registered_once_and_built(workspace):
    from azureml.core import Environment

    environment = Environment("training")
    environment.docker.base_image = "mcr.microsoft.com/azureml/base@sha256:0"
    environment.python.user_managed_dependencies = True
    registered = environment.register(workspace)
    again = Environment.get(workspace, "training")
    assert (registered.version, again.version, again.docker.base_image) == ("1", "1", environment.docker.base_image)
    build = registered.build(workspace)
    until(lambda: build.status == "Succeeded")
    assert registered.get_image_details(workspace)["imageExistsInRegistry"]
