"""Which jobs may wait at a Dask worker for the end of another."""

import time

import pytest

from retuner.compute.dask_cluster import Worker
from retuner.compute.dask_jobs import SubmittedJob, behind, may_have_more
from retuner_training.job import Job

WORKER = Worker("id-1", "tcp://10.0.0.7:4000", has_nanny=True, threads=1)
OTHER = Worker("id-2", "tcp://10.0.0.8:4000", has_nanny=True, threads=1)
SEVERAL = Worker("id-3", "tcp://10.0.0.9:4000", has_nanny=True, threads=2)


def entry(name: str, worker: Worker | None = WORKER, **known: float) -> SubmittedJob:
    """A job of which so much is known; times are seconds ago."""
    job = Job(name=name, study="s", recipe="toy", parameters={}, dataset="/data", output=f"/out/{name}")
    return SubmittedJob(job, worker=worker, **{what: time.monotonic() - ago for what, ago in known.items()})


def test_those_that_have_not_begun_wait_behind_the_first_of_their_worker():
    jobs = [
        entry("a", started=0.1),
        entry("b", worker=None),
        entry("c"),
        entry("d", worker=OTHER),
        entry("e", started=0.0),  # the end of `a` is not known yet
        entry("f"),
    ]
    assert [one.job.name for one in behind(jobs)] == ["c", "f"]


@pytest.mark.parametrize(
    ("known", "may"),
    [
        ({"started": 0.1}, True),
        ({}, True),
        ({"first_since": 0.1}, True),
        ({"started": 0.6}, False),
        ({"first_since": 0.6}, False),
        ({"started": 0.1, "first_since": 0.6}, True),
        ({"started": 0.1, "cancelled": 0.0}, False),
    ],
)
def test_only_a_worker_with_a_short_job_may_have_another(known, may):
    assert may_have_more([entry("a", **known)], ahead=1) is may
    assert not may_have_more([entry("a", **known), entry("b")], ahead=1)


def test_a_worker_of_several_threads_would_begin_with_both():
    assert not may_have_more([entry("a", SEVERAL, started=0.1)], ahead=1)
