"""Nodes on this machine: never more threads than cores."""

import os
import threading

import pytest

from retuner.compute import check_target
from retuner.errors import UserError
from retuner.parameters.nodes import check_cores, nodes_wanted
from retuner.parameters.values import parse_parameters

CORES = len(os.sched_getaffinity(0))


def checked(*, trials=4096, parallel=None, **compute):
    """The nodes of a retune that may start."""
    parameters = parse_parameters({"compute": compute, "search": {"trials": trials, "parallel": parallel}})
    nodes = nodes_wanted(parameters)
    check_target(parameters.compute, nodes, stop=threading.Event())
    return nodes


@pytest.fixture
def one_core():
    """This process may use one core alone, wherever the tests run."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores)})
    yield
    os.sched_setaffinity(0, all_cores)


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (
            {"nodes": CORES + 1},
            f"compute.nodes = {CORES + 1} with compute.threads = 1 wants {CORES + 1} cores for {CORES + 1} trials at "
            f"once, and this machine has {CORES}: set compute.nodes to at most {CORES}.",
        ),
        (
            {"nodes": 4 * CORES, "threads": CORES},
            f"and this machine has {CORES}: set compute.nodes to at most 1.",
        ),
        (
            {"threads": CORES + 1},
            f"compute.threads = {CORES + 1} wants more cores than this machine has: set compute.threads to at most "
            f"{CORES}.",
        ),
    ],
)
def test_more_threads_than_cores_are_refused_with_what_fits(compute, words):
    with pytest.raises(UserError) as told:
        checked(**compute)
    assert words in str(told.value)


@pytest.mark.skipif(CORES < 2, reason="a machine of one core has no choice between nodes and threads")
def test_fewer_threads_are_an_answer_where_all_nodes_find_a_core():
    with pytest.raises(UserError, match=rf"at most 1, or compute\.threads to at most {CORES // 2}\.$"):
        checked(nodes=2, threads=CORES)


@pytest.mark.parametrize("compute", [{}, {"nodes": 1, "threads": CORES}, {"threads": CORES}, {"nodes": CORES}])
def test_as_many_threads_as_cores_are_taken(compute):
    assert checked(**compute) * compute.get("threads", 1) == CORES


@pytest.mark.parametrize("limit", [{"trials": 1}, {"parallel": 1}])
def test_nodes_that_would_find_no_trial_want_no_core(limit):
    assert checked(nodes=CORES + 1, **limit) == 1


def test_cores_that_the_process_may_not_use_do_not_count(one_core):
    assert checked() == 1
    with pytest.raises(UserError, match=r"has 1: set compute\.nodes to at most 1\.$"):
        checked(nodes=2)


def test_the_machines_of_a_scheduler_are_not_counted():
    compute = parse_parameters({"compute": {"address": "tcp://10.0.0.4:8786", "nodes": 1000, "threads": 256}}).compute
    check_cores(compute, 1000)
