"""What every compute target must do, shown on each of them with a recipe whose mishaps are hyperparameters."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from azure_ml_emulator.client import SDK_WARNINGS
from compute_backends import BACKENDS, wait
from toy_recipe import write_dataset

from retuner.compute.snapshot import make_snapshot
from retuner.compute.target import JobState
from retuner_training.job import Job

pytestmark = SDK_WARNINGS
LIMIT_SECONDS = 60
TESTS = Path(__file__).parents[1]


def name_of(backend):
    return backend.name


@pytest.fixture(scope="module", params=BACKENDS, ids=name_of)
def backend(request, tmp_path_factory):
    with request.param.running(tmp_path_factory.mktemp("backend")) as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the dataset and the jobs' results lie."""
    folder = tmp_path_factory.mktemp("place")
    write_dataset(folder / "dataset")
    return folder


@pytest.fixture(scope="module")
def snapshot(place):
    return make_snapshot("toy_recipe:recipe", place / "snapshots")


@pytest.fixture(scope="module")
def target(backend, snapshot, tmp_path_factory):
    target = backend.target(snapshot, tmp_path_factory.mktemp("target"))
    target.scale(0, 2)
    yield target
    target.close()


@pytest.fixture
def new_job(place, backend, request):
    """Makes jobs of a study that bears the test's name."""
    study = f"{backend.name}-{request.node.originalname}"

    def make(suffix="t0001-a1", study=study, **parameters):
        name = f"{study}-{suffix}"
        record = str(place / f"{name}.record")
        options = {"recipe": "toy_recipe:recipe", "parameters": {**parameters, "record": record}}
        return Job(name, study, **options, dataset=str(place / "dataset"), output=str(place / "jobs" / name))

    return make


def has_reported(status):
    return len(status.reports) >= 2


def processes_of(job):
    """Process ids of the trainings that the job led to, by its own record."""
    record = Path(job.parameters["record"])
    return [int(line) for line in record.read_text().splitlines()] if record.exists() else []


def is_alive(process):
    """Whether it can still do work: a dead process stays in the table until its parent asks for it."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_job_leaves_its_result_in_storage(target, new_job):
    job = new_job(quality=0.7)
    target.submit(job)
    status = wait(target, job)
    assert status.state is JobState.COMPLETED
    assert status.result.value == pytest.approx(0.7)
    assert json.loads((Path(job.output) / "result.json").read_text())["outcome"] == "completed"


def test_reports_come_in_order_and_each_from_the_step_asked_for(target, new_job):
    job = new_job(steps=40, delay=0.02)
    target.submit(job)
    seen = []
    while True:
        since = seen[-1][0] if seen else 0
        status = target.poll({job.name: since})[job.name]
        seen += status.reports
        if status.state.is_finished():
            break
        time.sleep(0.05)
    assert [step for step, _ in seen] == list(range(1, 41))


def test_reports_come_while_the_job_runs(target, new_job):
    job = new_job(steps=10_000, delay=0.02)
    target.submit(job)
    assert wait(target, job, has_reported).state is JobState.RUNNING
    target.cancel([job.name])
    wait(target, job)


def test_a_name_submitted_twice_is_trained_once(target, new_job):
    job = new_job(steps=5, delay=0.05)
    target.submit(job)
    target.submit(job)
    wait(target, job)
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED
    assert len(processes_of(job)) == 1


def test_a_completed_result_is_taken_without_training(target, new_job, snapshot, backend, tmp_path):
    job = new_job()
    target.submit(job)
    wait(target, job)
    another = backend.target(snapshot, tmp_path)
    another.scale(0, 1)
    another.submit(job)
    assert wait(another, job).state is JobState.COMPLETED
    another.close()
    assert len(processes_of(job)) == 1


def test_more_jobs_than_nodes_all_complete(target, new_job):
    jobs = [new_job(f"t{number:04d}-a1", steps=2, quality=number / 10) for number in range(6)]
    for job in jobs:
        target.submit(job)
    assert [wait(target, job).result.value for job in jobs] == pytest.approx([n / 10 for n in range(6)])


def test_a_cancelled_job_stops_and_keeps_its_reports(target, backend, new_job):
    job = new_job(steps=10_000, delay=0.02)
    target.submit(job)
    wait(target, job, has_reported)
    target.cancel([job.name])
    status = wait(target, job)
    assert (status.state, status.message) == (JobState.STOPPED, "asked")
    assert 2 <= len(status.reports) < 1000
    assert (status.result is not None) is backend.writes_result_when_stopped  # else it was stopped with its worker


def test_a_job_that_waits_for_a_node_can_be_cancelled(target, new_job):
    jobs = [new_job(f"t{number:04d}-a1", steps=10_000, delay=0.02) for number in range(3)]
    for job in jobs:
        target.submit(job)
    assert target.poll({jobs[2].name: 0})[jobs[2].name].state is JobState.QUEUED
    target.cancel([job.name for job in jobs])
    assert {wait(target, job).state for job in jobs} == {JobState.STOPPED}
    assert processes_of(jobs[2]) == []


def test_cancelling_an_unknown_or_finished_job_is_no_fault(target, new_job):
    job = new_job()
    target.submit(job)
    wait(target, job)
    target.cancel([job.name, "nobody-knows-t0001-a1"])
    assert wait(target, job).state is JobState.COMPLETED


def test_a_job_that_ignores_its_stop_loses_its_worker(target, new_job):
    job = new_job(deaf_at=2)
    target.submit(job)
    wait(target, job, has_reported)
    target.cancel([job.name])
    status = wait(target, job)
    assert status.state is JobState.STOPPED
    assert status.reports == ((1, 0.1), (2, 0.2))
    (deaf,) = processes_of(job)
    deadline = time.monotonic() + LIMIT_SECONDS
    while is_alive(deaf):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_ends_after_its_seconds(target, new_job):
    job = new_job(steps=10_000, delay=0.02)
    limited = Job(**{**job.to_dict(), "seconds": 0.1})
    target.submit(limited)
    status = wait(target, limited)
    assert (status.state, status.message) == (JobState.STOPPED, "timeout")


def test_a_job_whose_worker_is_killed_is_lost_and_the_next_attempt_completes(target, backend, new_job):
    first = new_job("t0001-a1", steps=10_000, delay=0.02)
    target.submit(first)
    wait(target, first, has_reported)
    backend.take_node(first, processes_of(first)[0])
    status = wait(target, first)
    assert status.state is JobState.LOST
    assert len(status.reports) >= 2
    second = new_job("t0001-a2")
    target.submit(second)
    assert wait(target, second).state is JobState.COMPLETED
    assert len(processes_of(first)) == 1


def test_a_failed_job_tells_class_message_and_traceback(target, new_job):
    job = new_job(fails_at=2)
    target.submit(job)
    status = wait(target, job)
    assert status.state is JobState.FAILED
    assert status.message == "ArithmeticError: step 2 went wrong"
    assert status.reports == ((1, 0.1),)
    tail = target.log_tail(job.name)
    assert "the toy starts" in tail
    assert tail.endswith("ArithmeticError: step 2 went wrong")


def test_two_studies_with_the_same_trial_numbers_do_not_mix(target, new_job):
    one = new_job(study="one-11111111-1", quality=0.1)
    two = new_job(study="two-22222222-1", quality=0.2)
    target.submit(one)
    target.submit(two)
    assert wait(target, one).result.value == pytest.approx(0.1)
    assert wait(target, two).result.value == pytest.approx(0.2)


def test_a_name_that_was_never_submitted_is_lost(target):
    assert target.poll({"nobody-knows-t0001-a1": 0})["nobody-knows-t0001-a1"].state is JobState.LOST


def test_unfinished_jobs_of_a_study_are_found(target, new_job):
    running = new_job("t0001-a1", steps=10_000, delay=0.02)
    done = new_job("t0002-a1")
    other = new_job(study="somebody-else-1")
    for job in (running, done, other):
        target.submit(job)
    wait(target, done)
    assert target.find(running.study) == [running.name]
    target.cancel([running.name])
    wait(target, running)
    assert target.find(running.study) == []
    wait(target, other)


def test_closing_stops_the_jobs_and_leaves_no_process_of_the_target(backend, snapshot, new_job, tmp_path):
    children = set(psutil.Process().children(recursive=True))
    target = backend.target(snapshot, tmp_path)
    target.scale(0, 1)
    job = new_job(steps=10_000, delay=0.02)
    target.submit(job)
    wait(target, job, has_reported)
    target.close()
    if backend.writes_result_when_stopped:
        assert json.loads((Path(job.output) / "result.json").read_text())["reason"] == "asked"
    if backend.ends_its_workers:
        psutil.wait_procs([psutil.Process(pid) for pid in processes_of(job) if psutil.pid_exists(pid)], timeout=10)
    assert is_alive(processes_of(job)[0]) is not backend.ends_its_workers
    left = set(psutil.Process().children(recursive=True)) - children
    assert [process for process in left if "resource_tracker" not in " ".join(process.cmdline())] == []


CLIENT = """
import json, sys, time
from pathlib import Path
from compute_backends import EmbeddedDask
from retuner.compute.snapshot import Snapshot
from retuner_training.job import Job

snapshot, address, folder, job = json.loads(sys.argv[1])
backend = EmbeddedDask()
backend.address = address
target = backend.target(Snapshot(snapshot[0], Path(snapshot[1])), Path(folder))
target.scale(0, 1)
target.submit(Job(**job))
while True:
    target.poll({})
    time.sleep(0.05)
"""


# jobs of the others outlive their client, up to their maximum duration, and are adopted
@pytest.mark.parametrize("backend", [one for one in BACKENDS if one.ends_with_its_client], indirect=True, ids=name_of)
def test_a_training_ends_when_its_client_is_killed(backend, snapshot, new_job, tmp_path):
    job = new_job(steps=1000, delay=0.05)
    order = json.dumps([(snapshot.hash, str(snapshot.path)), backend.address, str(tmp_path), job.to_dict()])
    client = subprocess.Popen([sys.executable, "-c", CLIENT, order], env={**os.environ, "PYTHONPATH": str(TESTS)})
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        while not processes_of(job):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        client.kill()
        client.wait()
    (worker,) = processes_of(job)
    while is_alive(worker) and not (Path(job.output) / "result.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if not backend.ends_its_workers:
        assert json.loads((Path(job.output) / "result.json").read_text())["reason"] == "asked"
