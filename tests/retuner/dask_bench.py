"""Targets on Dask, workers of other people, and jobs of the toy."""

import time
from functools import partial

import compute_backends
import pytest
from compute_backends import EmbeddedDask, scheduler
from toy_recipe import write_dataset

from retuner.compute.snapshot import make_snapshot
from retuner.errors import RetryableError
from retuner_training.job import Job

LIMIT_SECONDS = 30


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A scheduler that the tests give workers to, one after the other."""
    with scheduler(tmp_path_factory.mktemp("scheduler")) as address:
        yield address


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "dataset")


@pytest.fixture
def snapshot(tmp_path):
    return make_snapshot("toy_recipe:recipe", tmp_path / "snapshots")


@pytest.fixture
def elsewhere(tmp_path):
    """Working directory and home of the cluster that is not ours."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture
def open_target(tmp_path, monkeypatch):
    """Opens targets, and closes them at the end of the test. What waits behind a job stays there on a slow machine."""
    monkeypatch.setattr("retuner.compute.dask.TAKE_BACK_SECONDS", 3600.0)
    opened = []

    def open_one(snapshot, address=None):
        backend = EmbeddedDask()
        backend.address = address
        opened.append(backend.target(snapshot, tmp_path))
        return opened[-1]

    yield open_one
    for target in opened:
        target.close()


def toy_job(dataset, name="s-t0001-a1", recipe="toy_recipe:recipe", output=None, **parameters):
    folder = dataset.parent / "jobs" / name if output is None else output
    parameters["record"] = str(dataset.parent / f"{name}.record")
    return Job(name, "s", recipe, parameters, str(dataset), str(folder))


wait = partial(compute_backends.wait, seconds=LIMIT_SECONDS)


def wait_through_silence(target, job):
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        try:
            return wait(target, job)
        except RetryableError:
            time.sleep(0.1)
    raise TimeoutError(job.name)


def has_reported(status):
    return bool(status.reports)


def folder_of_worker(elsewhere):
    """The local directory of the one worker that was started there."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (found := list(elsewhere.glob("dask-scratch-space/worker-*/"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (folder,) = [folder for folder in found if folder.is_dir()]
    return folder
