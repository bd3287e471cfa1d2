"""What is particular to Dask: embedded workers, schedulers that go away, and trainings that take too long."""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from compute_backends import scheduler, worker
from dask_bench import (
    LIMIT_SECONDS,
    address,
    dataset,
    elsewhere,
    has_reported,
    open_target,
    snapshot,
    toy_job,
    wait,
    wait_through_silence,
)
from retune_command import wait_until

from retuner.compute import check_target, dask_cluster, dask_jobs
from retuner.compute import dask as dask_target
from retuner.compute.dask import DaskTarget
from retuner.compute.dask_address import until_stopped
from retuner.compute.target import JobState
from retuner.errors import Interrupted, RetryableError, UserError
from retuner.parameters import DaskCompute
from retuner.search.records import Attempt, TrialRecord, now
from retuner.search.states import TrialState
from retuner.search.transitions import finish

__all__ = ["address", "dataset", "elsewhere", "open_target", "snapshot"]

TESTS = Path(__file__).parents[1]


def test_a_job_whose_sending_failed_waits_for_the_next_poll(open_target, snapshot, dataset, monkeypatch):
    def refuse(self, job, worker):
        raise RetryableError("the connection was lost")

    target = open_target(snapshot)
    target.scale(0, 1)
    job = toy_job(dataset)
    with monkeypatch.context() as broken:
        broken.setattr(dask_cluster.DaskCluster, "submit", refuse)
        with pytest.raises(RetryableError, match="lost"):
            target.submit(job)
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED


def test_a_closed_connection_is_worth_a_retry(open_target, snapshot, dataset):
    target = open_target(snapshot)
    target.scale(0, 1)
    target._cluster._client.close()
    with pytest.raises(RetryableError, match="does not answer"):
        target.submit(toy_job(dataset))


def test_a_heartbeat_that_is_not_answered_any_more_is_no_news_and_a_full_disk_is(open_target, snapshot, capfd):
    async def never(**_):
        await asyncio.sleep(3600)

    target = open_target(snapshot)
    target.scale(0, 1)
    target._cluster._embedded.scheduler.handlers["heartbeat_worker"] = never
    time.sleep(2)  # longer than between two heartbeats
    target._cluster._client.run(lambda: logging.getLogger("distributed.worker").error("full", exc_info=OSError("disk")))
    target.close()
    told = capfd.readouterr().err
    assert "disk" in told
    assert "heartbeat" not in told


def test_a_connection_that_fails_leaves_nothing_listening(open_target, snapshot, monkeypatch):
    def listening():
        return {found.laddr.port for found in psutil.Process().net_connections("tcp") if found.status == "LISTEN"}

    def refuse(self):
        assert listening() - before
        raise RetryableError("the scheduler went away")

    before = listening()
    monkeypatch.setattr(dask_cluster.DaskCluster, "_prepare", refuse)
    with pytest.raises(RetryableError, match="went away"):
        open_target(snapshot).scale(0, 1)
    assert listening() <= before


def test_the_next_attempt_is_not_given_to_a_worker_that_died_since_the_last_look(
    open_target, snapshot, dataset, monkeypatch
):
    target = open_target(snapshot)
    target.scale(0, 1)
    first = toy_job(dataset, steps=10_000, delay=0.02)
    target.submit(first)
    wait(target, first, has_reported)
    monkeypatch.setattr(dask_target, "LIST_SECONDS", 3600)
    os.kill(int(Path(first.parameters["record"]).read_text()), signal.SIGKILL)
    assert wait(target, first).state is JobState.LOST
    second = toy_job(dataset, "s-t0001-a2")
    target.submit(second)
    monkeypatch.undo()
    assert wait(target, second).state is JobState.COMPLETED


def sent(target):
    """Jobs that were given to a worker and have not ended; the scheduler hears of them some milliseconds later."""
    return [name for name, entry in target._jobs.items() if entry.worker and entry.final is None]


def test_a_busy_worker_is_given_more_jobs_which_begin_one_by_one_when_the_first_has_ended(
    open_target, snapshot, dataset
):
    target = open_target(snapshot)
    target.ahead = 2
    target.scale(0, 1)
    first = toy_job(dataset, "s-t0001-a1", steps=10_000, delay=0.02)
    more = [toy_job(dataset, f"s-t000{number}-a1") for number in (2, 3, 4)]
    for job in (first, *more):
        target.submit(job)
    wait(target, first, has_reported)
    assert sorted(sent(target)) == [first.name, more[0].name, more[1].name]
    assert target.poll({more[0].name: -1})[more[0].name].state is JobState.QUEUED
    target.cancel([first.name])
    assert [wait(target, job).state.value for job in (first, *more)] == ["stopped", *["completed"] * 3]
    began = [target.poll({job.name: -1})[job.name].began for job in more]
    assert began == sorted(began)


def test_what_waits_at_workers_is_shared_out_evenly(open_target, snapshot, dataset):
    target = open_target(snapshot)
    target.scale(0, 2)
    wait_until(lambda: len(target._cluster.workers()) == 2, "the second worker")
    target._workers = target._cluster.workers()
    running = [toy_job(dataset, f"s-t000{number}-a1", steps=10_000, delay=0.02) for number in (1, 2)]
    waiting = [toy_job(dataset, f"s-t000{number}-a1") for number in (3, 4, 5, 6)]
    for job in (*running, *waiting):
        target.submit(job)
    given = Counter(target._jobs[name].worker.id for name in sent(target))
    assert sorted(given.values()) == [3, 3]
    target.cancel([job.name for job in running])
    assert {wait(target, job).state for job in waiting} == {JobState.COMPLETED}


def test_no_job_waits_behind_a_long_one(open_target, snapshot, dataset, monkeypatch):
    monkeypatch.setattr(dask_jobs, "SHORT_SECONDS", 0.0)
    target = open_target(snapshot)
    target.scale(0, 1)
    first, second = toy_job(dataset, steps=10_000, delay=0.02), toy_job(dataset, "s-t0002-a1")
    target.submit(first)
    began = wait(target, first, has_reported).began
    target.submit(second)
    assert sent(target) == [first.name]
    target.cancel([first.name])
    assert wait(target, first).began == began
    assert wait(target, second).began > began


def test_a_job_waits_for_the_worker_that_is_to_come_and_not_behind_another(open_target, snapshot, dataset):
    target = open_target(snapshot)
    target.scale(0, 2)
    wait_until(lambda: len(target._cluster.workers()) == 2, "the second worker")
    target._workers = dict(list(target._cluster.workers().items())[:1])  # as where one takes longer to start
    first, second = (toy_job(dataset, f"s-t000{number}-a1", steps=10_000, delay=0.02) for number in (1, 2))
    for job in (first, second):
        target.submit(job)
    assert sent(target) == [first.name]
    nodes = {wait(target, job, has_reported).node for job in (first, second)}
    assert len(nodes) == 2


def test_no_job_is_given_to_a_worker_whose_job_was_asked_to_stop(open_target, snapshot, dataset):
    """It may never stop, and then its worker is restarted."""
    target = open_target(snapshot)
    target.scale(0, 1)
    deaf, second = toy_job(dataset, deaf_at=1), toy_job(dataset, "s-t0002-a1")
    target.submit(deaf)
    wait(target, deaf, has_reported)
    target.cancel([deaf.name])
    target.submit(second)
    assert second.name not in sent(target)
    assert wait(target, deaf).state is JobState.STOPPED
    assert wait(target, second).state is JobState.COMPLETED
    assert len(Path(second.parameters["record"]).read_text().splitlines()) == 1


@pytest.fixture
def one_behind(open_target, snapshot, dataset):
    """A target whose one worker runs a job that takes minutes, that job, and another which waits there."""
    target = open_target(snapshot)
    target.scale(0, 1)
    first, second = toy_job(dataset, steps=10_000, delay=0.02), toy_job(dataset, "s-t0002-a1")
    for job in (first, second):
        target.submit(job)
    wait(target, first, has_reported)
    assert second.name in sent(target)
    return target, first, second


def test_a_worker_that_dies_loses_the_job_behind_as_well(one_behind, dataset):
    target, first, second = one_behind
    os.kill(int(Path(first.parameters["record"]).read_text()), signal.SIGKILL)
    lost = [wait(target, job) for job in (first, second)]
    assert [(status.state, status.not_begun) for status in lost] == [(JobState.LOST, False), (JobState.LOST, True)]
    again = toy_job(dataset, "s-t0002-a2")
    target.submit(again)
    assert wait(target, again).state is JobState.COMPLETED
    assert not Path(second.parameters["record"]).exists()


def test_a_job_that_its_worker_cannot_run_leaves_those_behind_in_peace(open_target, snapshot, dataset):
    target = open_target(snapshot)
    target.scale(0, 1)
    faulty, *behind = (toy_job(dataset, f"s-t000{number}-a1") for number in (1, 2, 3))
    (Path(faulty.output) / "log.txt").mkdir(parents=True)
    for job in (faulty, *behind):
        target.submit(job)
    lost = wait(target, faulty)
    assert (lost.state, lost.not_begun) == (JobState.LOST, False)
    assert "could not run it: IsADirectoryError" in lost.message
    assert [wait(target, job).state for job in behind] == [JobState.COMPLETED] * 2


def test_what_waits_behind_a_job_that_takes_long_after_all_is_tried_elsewhere(one_behind, dataset, monkeypatch):
    target, long, second = one_behind
    monkeypatch.setattr(dask_target, "TAKE_BACK_SECONDS", 0.0)
    monkeypatch.setattr(dask_jobs, "SHORT_SECONDS", 0.0)
    status = wait(target, second)
    assert (status.state, status.not_begun) == (JobState.LOST, True)
    assert status.message.endswith(f"takes long for {long.name}")
    again = toy_job(dataset, "s-t0002-a2")
    target.submit(again)
    assert again.name not in sent(target)
    target.cancel([long.name])
    assert wait(target, again).state is JobState.COMPLETED
    assert not Path(second.parameters["record"]).exists()


def test_an_embedded_scheduler_is_reached_past_the_network(open_target, snapshot):
    target = open_target(snapshot)
    target.scale(0, 1)
    assert target._cluster._client.scheduler.address.startswith("inproc://")
    assert target._cluster.address.startswith("tls://127.0.0.1:")


def test_a_failed_result_is_trained_again_by_another_target(open_target, snapshot, dataset, address, elsewhere):
    with worker(address, elsewhere):
        job = toy_job(dataset, fails_at=1)
        for _ in range(2):
            target = open_target(snapshot, address)
            target.scale(0, 1)
            target.submit(job)
            assert wait(target, job).state is JobState.FAILED
        assert len(Path(job.parameters["record"]).read_text().splitlines()) == 2


def test_a_host_without_the_archive_finds_the_jobs_and_stops_them(open_target, snapshot, dataset, address, elsewhere):
    """Clean-up after another host that is gone."""
    with worker(address, elsewhere):
        target = open_target(snapshot, address)
        target.scale(0, 1)
        job = toy_job(dataset, steps=10_000, delay=0.02)
        target.submit(job)
        wait(target, job, has_reported)
        other = open_target(replace(snapshot, path=snapshot.path.with_name("none.zip")), address)
        assert list(other.find("s")) == [job.name]
        other.cancel([job.name])
        # its own process may see the end of the training first, or that its key is gone
        assert wait(target, job).state in (JobState.STOPPED, JobState.LOST)


def test_jobs_run_again_after_the_scheduler_was_started_anew(open_target, snapshot, dataset, elsewhere):
    with scheduler(elsewhere) as address, worker(address, elsewhere) as process:
        target = open_target(snapshot, address)
        target.scale(0, 1)
        job = toy_job(dataset, steps=10_000, delay=0.02)
        target.submit(job)
        wait(target, job, has_reported)
        process.kill()
    with scheduler(elsewhere, int(address.rpartition(":")[2])) as same, worker(same, elsewhere):
        status = wait_through_silence(target, job)
        assert status.state is JobState.LOST
        following = toy_job(dataset, "s-t0001-a2")
        target.submit(following)
        status = wait_through_silence(target, following)
        assert status.state is JobState.COMPLETED
        assert target._jobs[following.name].started is not None  # its events arrive as well


def test_a_training_that_never_reports_ends_as_a_timeout_and_frees_its_worker(snapshot, dataset, tmp_path):
    target = DaskTarget(snapshot, scratch=tmp_path / "scratch", patience=0.2, grace=0.5)
    try:
        target.scale(0, 1)
        job = replace(toy_job(dataset, deaf_at=1), seconds=0.5)
        target.submit(job)
        status = wait(target, job)
        assert status.state is JobState.STOPPED
        assert status.message.startswith("timeout")
        attempt = Attempt(job.name, TrialState.RUNNING, started=now())
        trial = TrialRecord(1, TrialState.RUNNING, attempts=(attempt,))
        assert finish(trial, status, attempts=3).state is TrialState.FAILED
        following = toy_job(dataset, "s-t0002-a1")
        target.submit(following)
        assert wait(target, following).state is JobState.COMPLETED
    finally:
        target.close()


def test_a_training_that_reports_too_late_ends_as_a_timeout_too(snapshot, dataset, tmp_path):
    target = DaskTarget(snapshot, scratch=tmp_path / "scratch", patience=30, grace=-10)
    try:
        target.scale(0, 1)
        job = replace(toy_job(dataset, steps=10_000, delay=0.02), seconds=10.0)
        target.submit(job)
        status = wait(target, job)
        assert status.result.outcome == "stopped"
        assert status.result.reason.startswith("timeout")
    finally:
        target.close()


def test_a_scheduler_that_went_away_is_worth_a_retry(open_target, snapshot, dataset, elsewhere):
    with scheduler(elsewhere) as address, worker(address, elsewhere) as process:
        target = open_target(snapshot, address)
        target.scale(0, 1)
        job = toy_job(dataset, steps=10_000, delay=0.02)
        target.submit(job)
        wait(target, job, has_reported)
        process.kill()  # ended in peace it would wait for the training
    with pytest.raises(RetryableError, match="does not answer"):
        wait(target, job)


def test_an_address_where_nobody_answers_is_worth_a_retry(open_target, snapshot, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1.0)
    with pytest.raises(RetryableError, match=r"scheduler at tcp://127\.0\.0\.1:9 does not answer"):
        open_target(snapshot, "tcp://127.0.0.1:9").scale(0, 1)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("tcp://127.0.0.1:{port}", RetryableError, "Connection refused"),
        ("tls://no-such-host.invalid:8786", RetryableError, "name resolution|not known"),
        ("tcp://two..dots:8786", UserError, "cannot be used"),
        ("tcp://127.0.0.1:99999", UserError, "cannot be used"),
    ],
)
def test_an_address_where_nobody_listens_is_refused_with_what_to_do(address, error, words):
    address = address.format(port=free_port())
    with pytest.raises(error, match=words) as told:
        check_target(DaskCompute(address=address), 1, stop=threading.Event())
    assert address in str(told.value)


def test_an_address_where_a_scheduler_listens_is_taken(address):
    check_target(DaskCompute(address=address), 1, stop=threading.Event())


@pytest.fixture
def silent():
    """An address at which connections are taken and nothing is answered: only a stop ends the waiting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_a_stop_ends_connecting(snapshot, tmp_path, silent, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 3600.0)
    target = DaskTarget(snapshot, scratch=tmp_path / "scratch", address=silent, stop=(stop := threading.Event()))
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Interrupted, match="Stopped while connecting to tcp://"):
        target.scale(0, 1)
    target.close()


def test_a_stop_ends_waiting_for_workers(snapshot, tmp_path, address, monkeypatch):
    monkeypatch.setattr(dask_target, "START_SECONDS", 3600.0)
    target = DaskTarget(snapshot, scratch=tmp_path / "scratch", address=address, stop=(stop := threading.Event()))

    def stop_once_connected():
        while target._open is None:
            time.sleep(0.02)
        stop.set()

    threading.Thread(target=stop_once_connected, daemon=True).start()
    with pytest.raises(Interrupted, match="Stopped while waiting for workers"):
        target.scale(0, 1)
    target.close()


def test_a_connection_that_comes_after_the_stop_is_closed(address):
    closed = threading.Event()
    may_come, stop = threading.Event(), threading.Event()

    class Late:
        def close(self, timeout):
            closed.set()

    def connect():
        may_come.wait(LIMIT_SECONDS)
        return Late()

    stop.set()
    with pytest.raises(Interrupted):
        until_stopped(connect, stop, address=address, discard=dask_cluster._leave)
    may_come.set()
    assert closed.wait(LIMIT_SECONDS)


def test_an_address_that_is_none_is_a_user_error(open_target, snapshot):
    with pytest.raises(UserError, match="address nonsense://x cannot be used"):
        open_target(snapshot, "nonsense://x").scale(0, 1)


def test_a_scheduler_without_workers_says_how_to_start_one(open_target, snapshot, address, monkeypatch):
    monkeypatch.setattr(dask_target, "START_SECONDS", 0.2)
    with pytest.raises(RetryableError, match=f"dask worker {address}"):
        open_target(snapshot, address).scale(0, 1)


def test_ctrl_c_does_not_reach_embedded_workers(open_target, snapshot, dataset):
    target = open_target(snapshot)
    target.scale(0, 1)
    job = toy_job(dataset, steps=20, delay=0.05)
    target.submit(job)
    wait(target, job, has_reported)
    os.kill(int(Path(job.parameters["record"]).read_text()), signal.SIGINT)
    assert wait(target, job).state is JobState.COMPLETED


def test_embedded_workers_keep_what_a_training_has_freed(open_target, snapshot, dataset):
    target = open_target(snapshot)
    target.scale(0, 1)
    job = toy_job(dataset)
    target.submit(job)
    wait(target, job)
    worker = psutil.Process(int(Path(job.parameters["record"]).read_text()))
    assert worker.environ().items() >= dask_cluster.MEMORY.items()


def test_embedded_workers_alone_leave_their_libraries_out_of_collections(
    open_target, snapshot, dataset, address, elsewhere
):
    def left_out(target):
        target.scale(0, 1)
        job = toy_job(dataset)
        target.submit(job)
        wait(target, job)  # which begins when the recipe has been imported
        cluster = target._cluster
        return list(cluster.ask(gc.get_freeze_count, workers=list(cluster.workers().values())).values())

    assert min(left_out(open_target(snapshot))) > 10_000
    with worker(address, elsewhere):
        assert left_out(open_target(snapshot, address)) == [0]


def test_embedded_processes_talk_to_holders_of_their_certificate_alone(open_target, snapshot, dataset):
    target = open_target(snapshot)
    target.scale(0, 1)
    job = toy_job(dataset)
    target.submit(job)
    assert wait(target, job).node.startswith("tls://127.0.0.1:")


CLIENT = """
import json, sys, time
from pathlib import Path
from compute_backends import EmbeddedDask
from retuner.compute.snapshot import Snapshot
from retuner_training.job import Job

snapshot, folder, jobs = json.loads(sys.argv[1])
target = EmbeddedDask().target(Snapshot(snapshot[0], Path(snapshot[1])), Path(folder))
target.scale(0, 2)
for job in jobs:
    target.submit(Job(**job))
first = jobs[0]["name"]
while not target.poll({first: 0})[first].state.is_finished():
    time.sleep(0.02)
target.close()
"""


def test_nothing_reaches_our_streams_from_workers_nor_from_closing(snapshot, dataset, tmp_path):
    jobs = [toy_job(dataset).to_dict(), toy_job(dataset, "s-t0002-a1", steps=10_000, delay=0.02).to_dict()]
    order = json.dumps([(snapshot.hash, str(snapshot.path)), str(tmp_path), jobs])
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run([sys.executable, "-c", CLIENT, order], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "the toy starts" in (Path(jobs[0]["output"]) / "log.txt").read_text()
