"""The arithmetic of costs: how long nodes were held, started and left idle, and what may still be spent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from retuner.cost.purse import Purse
from retuner.cost.spending import Hold, Rates, Usage, holds, rounded, usage
from retuner.search.records import Attempt, TrialRecord, node_seconds, now
from retuner.search.states import TrialState

RATES = Rates(usd_per_hour=3600.0, startup_seconds=10, idle_seconds=20, trial_seconds=100, final_seconds=200)
"""One USD a second."""
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def trial(number: int, *attempts: Attempt) -> TrialRecord:
    return TrialRecord(number, TrialState.RUNNING, {}, attempts=attempts)


def ended(begin: float, end: float, *, submitted: float | None = None) -> Attempt:
    times = {"started": at(begin if submitted is None else submitted), "began": at(begin), "ended": at(end)}
    return Attempt("job", TrialState.COMPLETED, seconds=end - begin, **times)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], Usage(0, 0, 0, 0)),
        ([Hold(0, 50, 10)], Usage(50, 0, 10, 20)),
        # two at once: two nodes
        ([Hold(0, 50, 10), Hold(0, 30, 10)], Usage(80, 0, 20, 40)),
        # one after the other on one node, with a pause that it is paid for
        ([Hold(0, 50, 10), Hold(55, 50, 10)], Usage(100, 0, 10, 25)),
        # a pause that the node does not live through
        ([Hold(0, 50, 10), Hold(71, 50, 10)], Usage(100, 0, 20, 40)),
        # the node that was freed last goes on, the other one idles away
        ([Hold(0, 50, 10), Hold(0, 30, 10), Hold(50, 5, 10)], Usage(85, 0, 20, 40)),
        ([Hold(0, 50, 10), Hold(50, 70, 10, is_final=True)], Usage(50, 70, 10, 20)),
    ],
)
def test_nodes_are_started_where_none_is_free_and_idle_until_they_are_given_back(jobs, expected):
    assert usage(jobs, idle_seconds=20) == expected
    assert usage(reversed(jobs), idle_seconds=20) == expected


def test_a_job_without_an_end_counts_until_now_or_at_its_longest():
    running = trial(0, Attempt("job", TrialState.RUNNING, started=at(0), began=at(4)))
    present, never = START.timestamp() + 30, float("inf")
    assert [job.seconds for job in holds([running], [], RATES, at=present)] == [26]
    assert [job.seconds for job in holds([running], [], RATES, at=never)] == [100]
    final = {"job": "f", "started": at(0).isoformat(), "seconds": None, "usd": None}
    assert [job.seconds for job in holds([], [final], RATES, at=present)] == [30]
    assert [job.seconds for job in holds([], [final], RATES, at=never)] == [200]


def test_the_wait_for_a_node_is_its_start_up_at_most():
    waits = [holds([trial(0, ended(wait, wait + 5, submitted=0))], [], RATES, at=0.0)[0].startup for wait in (3, 3600)]
    assert waits == [3, 10]


@pytest.mark.parametrize(
    ("began", "trained", "expected"),
    [
        (10, 80, 90),  # seen on its node, with imports around the training
        (10, 20, 80),  # nobody looked for a while: a minute more than the training at most
        (10, 95, 95),
        (None, 20, 80),  # its result was there before anybody saw it run
        (10, None, 90),  # stopped hard: no result
        (None, None, 0),  # never seen on a node
    ],
)
def test_the_seconds_on_a_node(began, trained, expected):
    seen = None if began is None else at(began)
    assert node_seconds(started=at(0), began=seen, ended=at(100), trained=trained) == expected


def test_the_purse_bears_what_fits_at_its_longest_before_the_final_training():
    # 10 to start the node, 100 for the trial, 200 for the final training on the same node, 20 idle
    assert Purse(RATES, 330.0 + 1).affordable == 1
    assert Purse(RATES, 330.0 - 1).affordable == 0
    assert Purse(RATES, 330.0 + 130 * 6 + 1).affordable == 7


def test_what_is_in_flight_counts_at_its_longest_and_what_has_ended_as_it_was():
    purse, present = Purse(RATES, 1050.0), now()
    before = purse.affordable
    purse.account(trial(0, Attempt("job", TrialState.SUBMITTED, started=present)))
    assert purse.affordable == before - 1
    times = {"started": present, "began": present, "ended": present + timedelta(seconds=1)}
    landed = purse.account(trial(0, Attempt("job", TrialState.COMPLETED, seconds=1.0, **times)))
    assert purse.affordable == before
    assert landed.attempts[0].usd == landed.usd == 1.0
    assert purse.committed().work == 1


def test_attempts_of_earlier_processes_count_whether_they_have_ended_or_not():
    lost = replace(ended(0, 40), state=TrialState.LOST)
    left = Attempt("job", TrialState.RUNNING, started=at(50), began=at(50))
    fresh, resumed = Purse(RATES, 1000.0), Purse(RATES, 1000.0, [trial(0, lost, left)])
    assert resumed.committed().work == 140
    assert resumed.affordable < fresh.affordable


def test_earlier_final_trainings_count():
    final = {"job": "f", "started": at(0).isoformat(), "seconds": 150.0, "usd": 150.0}
    assert Purse(RATES, 1000.0, [], [final]).committed().retrain == 350


def test_without_a_limit_or_a_price_everything_is_borne():
    assert Purse(RATES, None).affordable > 10**6
    assert Purse(replace(RATES, usd_per_hour=None), None).account(trial(0, ended(0, 5))).usd is None


def test_small_figures_keep_two_digits():
    assert [rounded(value) for value in (4.7199, 2.16176, 0.24426, 0.0123456, 0.0)] == [4.72, 2.16, 0.24, 0.012, 0.0]
