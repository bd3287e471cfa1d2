"""The Azure ML target where the emulated workspace fails: lost runs, refusals, silence."""

import threading
from concurrent.futures import wait as wait_for_all
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from azure_ml_backend import compute_of
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS, until
from azure_ml_target_bench import (
    COMPUTE,
    METRICS,
    RUNS,
    SUBMIT,
    emulator,
    is_running,
    new_job,
    no_faults,
    open_target,
    snapshot,
    store,
    target,
)
from compute_backends import wait

from retuner.compute import azure_ml, azure_ml_requests
from retuner.compute.azure_ml_service import AzureMlService
from retuner.compute.target import JobState
from retuner.errors import RetryableError, UserError
from retuner.in_thread import in_thread

__all__ = ["emulator", "new_job", "no_faults", "open_target", "snapshot", "store", "target"]

pytestmark = SDK_WARNINGS


def test_a_preempted_run_is_lost(target, emulator, new_job):
    job = new_job(seconds=60.0)
    target.submit(job)
    wait(target, job, is_running)
    emulator.preempt(job.name)
    status = wait(target, job)
    assert status.state is JobState.LOST
    assert "preempted" in status.message
    assert status.reports == ((1, 0.25), (2, 0.5))


def test_a_run_that_cannot_be_cancelled_keeps_no_other_from_it(target, emulator, new_job):
    first = new_job(seconds=60.0)
    second = replace(first, name=f"{first.study}-t0002-a1")
    for job in (first, second):
        target.submit(job)
        wait(target, job, is_running)
    emulator.faults.add(FaultRule("*", f"{first.name}(/cancel)?$", FaultKind.FORBIDDEN, times=100))
    with pytest.raises(UserError, match=f"{first.name} cannot be cancelled"):
        target.cancel([first.name, second.name])
    until(lambda: emulator.run(second.name).status == "Canceled")
    emulator.faults.clear()
    target.cancel([first.name])
    until(lambda: emulator.run(first.name).status == "Canceled")


def test_a_run_that_nobody_knows_any_more_is_lost(target, emulator, new_job, monkeypatch):
    monkeypatch.setattr(azure_ml, "UNSEEN_SECONDS", 0.5)
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.LOST_RUN, seconds=3))
    job = new_job(seconds=60.0)
    target.submit(job)
    status = wait(target, job)
    assert (status.state, status.message) == (JobState.LOST, "Azure ML does not know its run any more")


def test_a_run_that_is_forgotten_at_once_is_submitted_again(target, emulator, new_job):
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.LOST_RUN, seconds=0))
    job = new_job()
    with pytest.raises(RetryableError, match="accepted, and then nobody knew it"):
        target.submit(job)
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED


@pytest.mark.parametrize(
    ("fault", "state", "advice"),
    [
        (FaultKind.STUCK, "Queued", "quota"),
        (FaultKind.UNREADY, "it was Preparing for 0.0 minutes", "check the build of the environment's image"),
    ],
)
def test_a_run_that_never_begins_is_given_up_with_a_diagnosis(open_target, emulator, new_job, fault, state, advice):
    target = open_target(compute={"wait_minutes": 0.5 / 60})
    target.scale(0, 4)
    emulator.faults.add(FaultRule("POST", SUBMIT, fault))
    job = new_job()
    target.submit(job)
    status = wait(target, job)
    assert status.state is JobState.LOST
    assert state in status.message
    assert advice in status.message
    until(lambda: emulator.run(job.name).status == "Canceled")


def test_a_run_that_hangs_in_queued_is_given_up_while_others_work(open_target, emulator, new_job):
    target = open_target(compute={"wait_minutes": 3 / 60})
    target.scale(0, 4)
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.STUCK, after=2))
    jobs = [new_job(number, seconds=120.0) for number in range(5)]
    for job in jobs:
        target.submit(job)
    names = {job.name: 0 for job in jobs}
    until(lambda: target.poll(names)[jobs[2].name].state.is_finished())
    statuses = target.poll(names)
    assert statuses[jobs[2].name].state is JobState.LOST
    assert "it was Queued for" in statuses[jobs[2].name].message
    assert {statuses[job.name].state for job in jobs if job is not jobs[2]} == {JobState.RUNNING}
    until(lambda: emulator.run(jobs[2].name).status == "Canceled")


def test_runs_that_wait_for_their_turn_are_not_given_up(open_target, new_job):
    target = open_target(compute={"wait_minutes": 2 / 60, "max_nodes": 1, "cluster": "narrow"})
    target.scale(0, 1)
    jobs = [new_job(number, seconds=2.0) for number in range(4)]
    for job in jobs:
        target.submit(job)
    names = {job.name: 0 for job in jobs}
    until(lambda: all(status.state.is_finished() for status in target.poll(names).values()))
    assert {status.state for status in target.poll(names).values()} == {JobState.COMPLETED}


def test_a_run_is_not_measured_by_those_of_another_cluster(open_target, emulator, new_job):
    pair = {"cluster": "thin", "low_priority": True, "dedicated_cluster": "thin-steady", "dedicated_after": 1}
    target = open_target(compute={"wait_minutes": 2 / 60, "max_nodes": 1, **pair})
    target.scale(0, 1)
    first, second = (new_job(number, seconds=5.0) for number in range(2))
    moved = replace(new_job(2, seconds=5.0), name=f"{first.study}-t0002-a2")
    for job in (first, second, moved):
        target.submit(job)
    names = {job.name: 0 for job in (first, second, moved)}
    until(lambda: all(status.state.is_finished() for status in target.poll(names).values()))
    assert {status.state for status in target.poll(names).values()} == {JobState.COMPLETED}


def test_a_report_that_comes_after_the_end_of_a_cancelled_run_is_not_missed(target, emulator, new_job):
    emulator.faults.add(FaultRule("POST", "/batch$", FaultKind.LATE_METRICS, after=1, seconds=1.5))
    job = new_job(seconds=120.0)
    target.submit(job)
    wait(target, job, lambda status: status.state is JobState.RUNNING and status.reports)
    target.cancel([job.name])
    until(lambda: emulator.run(job.name).status == "Canceled")
    status = wait(target, job)
    assert (status.state, status.message) == (JobState.STOPPED, "asked")
    assert status.reports == ((1, 0.25), (2, 0.5))


def test_a_run_that_outlasts_its_maximum_duration_is_ended_with_a_diagnosis(target, emulator, new_job, monkeypatch):
    monkeypatch.setattr(azure_ml_requests, "START_ALLOWANCE", 0)
    monkeypatch.setattr(azure_ml, "UNSEEN_SECONDS", 0.5)
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.OVERDUE))
    job = replace(new_job(), seconds=0.1)
    target.submit(job)
    status = wait(target, job)
    assert status.state is JobState.STOPPED
    assert status.is_timeout()
    assert "it was Running for 0.0 minutes" in status.message
    assert "it should have ended by itself before: look at its log" in status.message
    until(lambda: emulator.run(job.name).status == "Canceled")


def test_a_run_without_an_image_fails_with_the_reason(target, emulator, new_job):
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.IMAGE_BUILD))
    job = new_job()
    target.submit(job)
    status = wait(target, job)
    assert status.state is JobState.FAILED
    assert "ImageBuildFailed" in status.message


def test_an_image_that_cannot_be_built_ends_before_any_trial(open_target, emulator, monkeypatch, tmp_path):
    from retuner.compute import azure_ml_service
    from retuner.compute.azure_ml_environment import node_environment

    (tmp_path / "Dockerfile").write_text("FROM broken")
    (tmp_path / "requirements.txt").write_text("")
    monkeypatch.setattr(azure_ml_service, "node_environment", partial(node_environment, folder=tmp_path))
    emulator.faults.add(FaultRule("POST", "/image$", FaultKind.IMAGE_BUILD))
    with pytest.raises(UserError, match=r"image could not be built \(Failed\)"):
        open_target().scale(0, 4)


def test_a_minimum_above_the_quota_is_refused_with_the_quota(target, emulator):
    emulator.faults.add(FaultRule("PATCH", COMPUTE, FaultKind.QUOTA))
    with pytest.raises(UserError, match="exceeds the core quota"):
        target.scale(1, 4)


def test_a_missing_role_is_named(target, emulator):
    emulator.faults.add(FaultRule("PATCH", COMPUTE, FaultKind.FORBIDDEN))
    with pytest.raises(UserError, match="AzureML Compute Operator"):
        target.scale(1, 4)


def test_an_expired_token_is_renewed_unnoticed(target, emulator, new_job):
    job = new_job(seconds=1.0)
    target.submit(job)
    emulator.faults.add(FaultRule("POST", RUNS, FaultKind.EXPIRED))
    assert wait(target, job).state is JobState.COMPLETED


@pytest.mark.parametrize("kind", [FaultKind.THROTTLED, FaultKind.ERROR, FaultKind.UNAVAILABLE, FaultKind.RESET])
@pytest.mark.parametrize("applied", [False, True], ids=["refused", "done-but-unanswered"])
def test_a_submission_that_fails_is_tried_again_by_the_caller_as_one_job(target, emulator, new_job, kind, applied):
    emulator.faults.add(FaultRule("POST", SUBMIT, kind, applied=applied))
    job = new_job()
    with pytest.raises(RetryableError, match="cannot be submitted"):
        target.submit(job)
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED
    names = emulator.inspect(lambda service: [run.id for run in service.state.runs.values()])
    assert names.count(job.name) == 1


def test_a_service_that_does_not_answer_is_told_as_such(open_target, emulator, new_job):
    target = open_target(call_seconds=1.0)
    target.scale(0, 4)
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.HANG))
    here = Path.cwd()
    with pytest.raises(RetryableError, match="did not answer within 1 s"):
        target.submit(new_job())
    assert Path.cwd() == here
    target.submit(new_job())
    assert wait(target, new_job()).state is JobState.COMPLETED


def test_throttled_reads_are_a_passing_fault(target, emulator, new_job):
    job = new_job(seconds=0.5)
    target.submit(job)
    emulator.faults.add(FaultRule("POST", f"{RUNS}|{METRICS}", FaultKind.THROTTLED, times=1000, seconds=0.01))
    with pytest.raises(RetryableError, match="cannot be read"):
        wait(target, job)
    emulator.faults.clear()
    assert wait(target, job).state is JobState.COMPLETED


def test_the_service_is_left_alone_for_as_long_as_it_asks(target, emulator):
    since = emulator.record.now()
    emulator.faults.add(FaultRule("GET", "/computes$", FaultKind.THROTTLED, seconds=2))
    with pytest.raises(RetryableError, match="429"):
        target.kept_nodes()
    assert target.kept_nodes() == 0
    asked = [request for request in emulator.record.requests("GET", "/computes$") if request.at >= since]
    refused = next(request.at for request in asked if request.fault)
    assert min(request.at for request in asked if request.at > refused) - refused >= 2


def test_a_stop_ends_a_long_pause_that_the_service_asked_for(emulator, caplog):
    stop = threading.Event()
    service = AzureMlService(compute_of(emulator), stop=stop)
    emulator.faults.add(FaultRule("GET", "/computes$", FaultKind.THROTTLED, seconds=3600))
    with pytest.raises(RetryableError, match="429"):
        service.cluster()
    assert "left alone for 3600 s, of which 300 s are waited" in caplog.text
    answer = in_thread(service.cluster, "asks again")
    assert not wait_for_all([answer], timeout=2).done
    stop.set()
    answer.result(60)
