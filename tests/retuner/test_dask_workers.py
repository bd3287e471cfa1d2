"""Dask workers that other people started: their packages, their folders and what they cannot do."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from compute_backends import PACKAGES, worker
from dask_bench import (
    LIMIT_SECONDS,
    address,
    dataset,
    elsewhere,
    folder_of_worker,
    has_reported,
    open_target,
    snapshot,
    toy_job,
    wait,
)
from distributed import Client

from retuner.compute.snapshot import make_snapshot
from retuner.compute.target import JobState
from retuner.errors import UserError

__all__ = ["address", "dataset", "elsewhere", "open_target", "snapshot"]

TESTS = Path(__file__).parents[1]


def test_a_worker_needs_no_retuner_and_trains_with_the_shipped_code(open_target, snapshot, dataset, address, elsewhere):
    with worker(address, elsewhere):
        target = open_target(snapshot, address)
        target.scale(0, 1)
        job = toy_job(dataset)
        target.submit(job)
        assert wait(target, job).state is JobState.COMPLETED
        shipped = f"retuner-{snapshot.hash}/retuner_training/__init__.py"
        assert target.log_tail(job.name).endswith(f"{shipped}; retuner is missing")


def test_one_worker_serves_two_versions_of_a_recipe_in_turn(
    open_target, dataset, address, elsewhere, tmp_path, monkeypatch
):
    code = tmp_path / "code"
    monkeypatch.syspath_prepend(code)
    snapshots = []
    for version in (1, 2):
        (code / "own_recipe").mkdir(parents=True, exist_ok=True)
        for file in (TESTS / "toy_recipe").glob("*.py"):
            text = file.read_text().replace("toy_recipe", "own_recipe")
            (code / "own_recipe" / file.name).write_text(text.replace("step / 10", f"step / 10 + {version}"))
        snapshots.append(make_snapshot("own_recipe:recipe", tmp_path / "snapshots"))
    with worker(address, elsewhere):
        targets = [open_target(snapshot, address) for snapshot in snapshots]
        for number, version in enumerate((1, 2, 1, 2)):
            target = targets[version - 1]
            target.scale(0, 1)
            job = toy_job(dataset, f"s-t{number:04d}-a1", "own_recipe:recipe", steps=1)
            target.submit(job)
            assert wait(target, job).reports == ((1, 0.1 + version),)


@pytest.mark.parametrize("library", ["lightgbm", "pandas"])
def test_a_worker_without_our_packages_versions_is_named(open_target, snapshot, address, elsewhere, library):
    fake = elsewhere / "packages" / f"{library}-0.9.0.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 0.9.0\n")
    packages = os.pathsep.join([str(fake.parent), PACKAGES])
    with worker(address, elsewhere, packages=packages):
        target = open_target(snapshot, address)
        with pytest.raises(UserError, match=rf"worker tcp://\S+ has {library} 0.9.0, this machine has {library} \d"):
            target.scale(0, 1)


def test_a_worker_that_lacks_what_the_recipe_requires_is_named(open_target, address, elsewhere, tmp_path, monkeypatch):
    package = tmp_path / "code" / "own_recipe"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "requirements.txt").write_text("pytest\nno-such-library>=2\n")
    monkeypatch.syspath_prepend(package.parent)
    with worker(address, elsewhere):
        target = open_target(make_snapshot("own_recipe:recipe", tmp_path / "snapshots"), address)
        with pytest.raises(UserError, match=r"worker tcp://\S+ lacks no-such-library, which the recipe's"):
            target.scale(0, 1)


def test_a_dataset_that_a_worker_does_not_see_is_a_user_error(
    open_target, snapshot, dataset, address, elsewhere, monkeypatch
):
    monkeypatch.chdir(dataset.parent)
    with worker(address, elsewhere):
        target = open_target(snapshot, address)
        target.scale(0, 1)
        # the same path leads every process to another folder, as on two machines
        job = toy_job(Path("/proc/self/cwd/dataset"))
        with pytest.raises(UserError, match=r"does not see the dataset .* keep the store in a folder"):
            target.submit(job)


def test_a_worker_that_came_later_must_see_the_dataset_too(
    open_target, snapshot, dataset, address, elsewhere, monkeypatch
):
    seen_by_the_first = Path("/proc/self/cwd/dataset")
    monkeypatch.chdir(dataset.parent)
    with worker(address, dataset.parent), ExitStack() as later:
        target = open_target(snapshot, address)
        target.scale(0, 2)
        first = toy_job(seen_by_the_first, output=dataset.parent / "out", steps=10_000, delay=0.02)
        target.submit(first)
        wait(target, first, has_reported)
        later.enter_context(worker(address, elsewhere))
        wait(target, first, lambda status: target.nodes == 2)
        with pytest.raises(UserError, match="does not see the dataset") as told:
            target.submit(toy_job(seen_by_the_first, "s-t0002-a1", output=dataset.parent / "out2"))
        assert "Blob" not in str(told.value)
        target.close()


@pytest.mark.parametrize("frozen_before", ["the start", "its first job"])
def test_a_worker_that_does_not_answer_holds_nobody_up(
    open_target, snapshot, dataset, address, elsewhere, frozen_before
):
    with worker(address, elsewhere), worker(address, elsewhere, "--no-nanny") as frozen:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=LIMIT_SECONDS)
        if frozen_before == "the start":
            frozen.send_signal(signal.SIGSTOP)
        try:
            target = open_target(snapshot, address)
            target.scale(0, 2)
            frozen.send_signal(signal.SIGSTOP)
            jobs = [toy_job(dataset, f"s-t{number:04d}-a1") for number in range(3)]
            for job in jobs:
                target.submit(job)
            assert [wait(target, job).state for job in jobs] == [JobState.COMPLETED] * 3
            assert target.nodes == 1
        finally:
            frozen.send_signal(signal.SIGCONT)


def test_a_worker_that_cannot_unpack_the_code_is_named(open_target, snapshot, address, elsewhere):
    snapshot = replace(snapshot, hash="never-sent")  # else the scheduler has a worker unpack it as soon as it starts
    with worker(address, elsewhere, "--local-directory", str(elsewhere)):
        folder = folder_of_worker(elsewhere)
        (folder / f"retuner-{snapshot.hash}").write_text("a file where the folder should be")
        with pytest.raises(UserError, match=r"worker tcp://\S+ could not unpack the training code \(NotADirectory"):
            open_target(snapshot, address).scale(0, 1)


def test_a_second_client_leaves_the_code_under_a_running_training(open_target, snapshot, dataset, address, elsewhere):
    with worker(address, elsewhere, "--local-directory", str(elsewhere)):
        target = open_target(snapshot, address)
        target.scale(0, 1)
        job = toy_job(dataset, steps=10_000, delay=0.02)
        target.submit(job)
        wait(target, job, has_reported)
        mark = folder_of_worker(elsewhere) / f"retuner-{snapshot.hash}" / "mark"
        mark.touch()
        open_target(snapshot, address).scale(0, 1)
        assert mark.exists()
        target.cancel([job.name])
        wait(target, job)


def test_a_worker_that_cannot_run_a_job_loses_it(open_target, snapshot, dataset, address, elsewhere):
    with worker(address, elsewhere, "--local-directory", str(elsewhere)):
        target = open_target(snapshot, address)
        target.scale(0, 1)
        folder = folder_of_worker(elsewhere) / f"retuner-{snapshot.hash}"
        folder.rename(elsewhere / "gone")  # at once: the worker may be importing from it, and compiling into it
        job = toy_job(dataset)
        target.submit(job)
        status = wait(target, job)
        assert status.state is JobState.LOST
        assert "could not run it: " in status.message


def test_a_result_that_we_do_not_see_is_a_user_error(open_target, snapshot, dataset, address, elsewhere, monkeypatch):
    monkeypatch.chdir(dataset.parent)
    with worker(address, elsewhere):
        target = open_target(snapshot, address)
        target.scale(0, 1)
        job = toy_job(dataset, output=Path("/proc/self/cwd/out"))
        target.submit(job)
        with pytest.raises(UserError, match="wrote the result of s-t0001-a1 to /proc/self/cwd/out"):
            wait(target, job)


def test_a_worker_that_cannot_be_restarted_is_left_alone(open_target, snapshot, dataset, address, elsewhere):
    with worker(address, elsewhere, "--no-nanny") as process:
        target = open_target(snapshot, address)
        target.scale(0, 1)
        job = toy_job(dataset, deaf_at=1)
        target.submit(job)
        wait(target, job, has_reported)
        target.cancel([job.name])
        status = wait(target, job)
        assert status.state is JobState.STOPPED
        assert "could not be restarted" in status.message
        assert target.nodes == 0
        following = toy_job(dataset, "s-t0002-a1")
        target.submit(following)
        assert target.poll({following.name: 0})[following.name].state is JobState.QUEUED
        process.kill()


def test_a_job_behind_one_that_hangs_is_tried_elsewhere(open_target, snapshot, dataset, address, elsewhere):
    with worker(address, elsewhere, "--no-nanny") as process:
        target = open_target(snapshot, address)
        target.scale(0, 1)
        deaf, behind = toy_job(dataset, deaf_at=1), toy_job(dataset, "s-t0002-a1")
        for job in (deaf, behind):
            target.submit(job)
        wait(target, deaf, has_reported)
        target.cancel([deaf.name])
        status = wait(target, behind)
        assert (status.state, status.not_begun) == (JobState.LOST, True)
        assert status.message.endswith(f"hung in {deaf.name}")
        assert not Path(behind.parameters["record"]).exists()
        process.kill()


def test_a_worker_that_comes_when_all_others_are_gone_is_found(open_target, snapshot, dataset, address, elsewhere):
    target = open_target(snapshot, address)
    job = toy_job(dataset)
    with worker(address, elsewhere) as only:
        target.scale(0, 1)
        target.submit(job)
        only.kill()
    assert wait(target, job).state is JobState.LOST
    assert (target.poll({}), target.nodes) == ({}, 0)
    with worker(address, elsewhere):
        deadline = time.monotonic() + LIMIT_SECONDS
        while target.nodes < 1:
            assert time.monotonic() < deadline
            target.poll({})
            time.sleep(0.05)
