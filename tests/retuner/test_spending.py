"""The arithmetic of costs: how long nodes were held, started and left idle, and what may still be spent."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from identities import identity
from test_plan import AZURE, TOLD, Planner

from retuner.cost.purse import Purse
from retuner.cost.spending import Rates, bill, holds, rounded, study_bill, study_rates
from retuner.cost.usage import Hold, Kept, Usage, usage
from retuner.search.records import Attempt, StudyRecord, TrialRecord, node_seconds, now
from retuner.search.states import TrialState
from retuner.stages.budget import open_purse
from retuner.stages.plan import note_plan

RATES = Rates(usd_per_hour=3600.0, startup_seconds=10, idle_seconds=20, trial_seconds=100, final_seconds=200)
"""One USD a second."""
MOVING = replace(RATES, moves_after=2, moved_usd_per_hour=5 * 3600.0)
"""The same, and from the third attempt on five USD a second."""
START = datetime(2026, 1, 1, tzinfo=UTC)
MANY = 100


def affordable(purse: Purse) -> int:
    """How many first attempts it bears."""
    return purse.bears([1] * MANY)


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
    final = {"job": "s-final-t0000-a1", "started": at(0).isoformat(), "seconds": None, "usd": None}
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
    assert affordable(Purse(RATES, 330.0 + 1)) == 1
    assert affordable(Purse(RATES, 330.0 - 1)) == 0
    assert affordable(Purse(RATES, 330.0 + 130 * 6 + 1)) == 7
    assert Purse(RATES, 330.0 + 130 * 6 + 1).bears([1, 1]) == 2


def test_what_is_in_flight_counts_at_its_longest_and_what_has_ended_as_it_was():
    purse, present = Purse(RATES, 1050.0), now()
    before = affordable(purse)
    purse.account(trial(0, Attempt("job", TrialState.SUBMITTED, started=present)))
    assert affordable(purse) == before - 1
    times = {"started": present, "began": present, "ended": present + timedelta(seconds=1)}
    landed = purse.account(trial(0, Attempt("job", TrialState.COMPLETED, seconds=1.0, **times)))
    assert affordable(purse) == before
    assert landed.attempts[0].usd == landed.usd == 1.0
    assert purse.committed().usage.work == 1


def test_attempts_of_earlier_processes_count_whether_they_have_ended_or_not():
    lost = replace(ended(0, 40), state=TrialState.LOST)
    left = Attempt("job", TrialState.RUNNING, started=at(50), began=at(50))
    fresh, resumed = Purse(RATES, 1000.0), Purse(RATES, 1000.0, [trial(0, lost, left)])
    assert resumed.committed().usage.work == 140
    assert affordable(resumed) < affordable(fresh)


def test_earlier_final_trainings_count():
    final = {"job": "s-final-t0000-a1", "started": at(0).isoformat(), "seconds": 150.0, "usd": 150.0}
    assert Purse(RATES, 1000.0, [], [final]).committed().usage.retrain == 350


def test_without_a_limit_or_a_price_everything_is_borne():
    assert affordable(Purse(RATES, None)) == MANY
    assert Purse(replace(RATES, usd_per_hour=None), None).account(trial(0, ended(0, 5))).usd is None


def test_small_figures_keep_two_digits():
    assert [rounded(value) for value in (4.7199, 2.16176, 0.24426, 0.0123456, 0.0)] == [4.72, 2.16, 0.24, 0.012, 0.0]


# attempts that were moved to dedicated nodes


def preempted(begin: float, end: float) -> Attempt:
    return replace(ended(begin, end), state=TrialState.LOST)


def test_an_attempt_that_was_moved_costs_the_price_of_a_dedicated_node():
    moved = trial(0, preempted(0, 10), preempted(10, 20), ended(20, 30))
    assert [attempt.usd for attempt in Purse(MOVING, 10_000.0).account(moved).attempts] == [10, 10, 50]
    assert [attempt.usd for attempt in Purse(RATES, 10_000.0).account(moved).attempts] == [10, 10, 10]


def test_the_bill_has_each_cluster_at_its_own_price_and_with_its_own_nodes():
    moved = trial(0, preempted(0, 10), preempted(10, 20), ended(20, 30, submitted=0))
    found = bill(holds([moved], [], MOVING, at=0.0), [], MOVING)
    # the free node of the first cluster is of no use to the second one
    assert (found.own, found.moved) == (Usage(20, 0, 0, 20), Usage(10, 0, 10, 20))
    assert found.document()["work"] == {"node_hours": rounded(30 / 3600), "usd": 20 + 5 * 10}
    assert found.document()["total"]["usd"] == 40 + 5 * 40


def test_the_purse_reserves_the_dedicated_price_for_an_attempt_that_will_be_moved():
    # a trial on a node of its own (130) before a final training (230), at five times the price where it is moved
    assert Purse(MOVING, 130 + 200.0 + 1).bears([2]) == 1
    assert Purse(MOVING, 5 * 130 + 230.0 - 1).bears([3]) == 0
    assert Purse(MOVING, 5 * 130 + 230.0 + 1).bears([3]) == 1
    assert Purse(MOVING, 5 * 130 + 230.0 + 131).bears([3, 1, 1]) == 2
    assert Purse(MOVING, 330.0 + 5 * 130 + 1).bears([1, 3, 3]) == 2


def test_an_attempt_in_flight_on_a_dedicated_node_counts_at_its_price():
    present = now()
    flying = Attempt("job", TrialState.RUNNING, started=present, began=present)
    lost = [replace(ended(0, 0), state=TrialState.LOST)] * 2
    assert Purse(MOVING, None, [trial(0, *lost, flying)]).committed().document()["work"]["usd"] == 500


def test_a_final_training_that_was_moved_costs_the_price_of_a_dedicated_node():
    tries = [{"job": f"s-final-t0000-a{n}", "started": at(n).isoformat(), "seconds": 1.0, "usd": None} for n in (2, 3)]
    assert bill(holds([], tries, MOVING, at=0.0), [], MOVING).document()["retrain"]["usd"] == 1 + 5
    alone = Purse(MOVING, None)
    assert alone.committed(final_attempt=3).usd == pytest.approx(5 * alone.committed().usd)


# nodes that are kept up


@pytest.mark.parametrize(
    ("jobs", "kept", "idle"),
    [
        ([], Kept(2, 0, 100), 200),
        # the job's own node, which starts at -10 and is given back at 70, is one of the two
        ([Hold(0, 50, 10)], Kept(2, 0, 100), 20 + 100 + 30),
        # more nodes than are kept have work for all of the time
        ([Hold(0, 90, 10), Hold(0, 90, 10)], Kept(2, 0, 100), 40),
        # between two jobs the node of the first is given back and another one kept
        ([Hold(0, 10, 0), Hold(80, 10, 0)], Kept(1, 0, 100), 40 + 50),
    ],
)
def test_a_node_that_is_kept_up_is_paid_for_also_without_work(jobs, kept, idle):
    found = usage(jobs, idle_seconds=20, kept=[kept])
    assert found.idle == idle
    assert replace(found, idle=0) == replace(usage(jobs, idle_seconds=20), idle=0)


def test_the_purse_reserves_what_kept_nodes_cost_until_the_final_training_has_ended():
    keeping = replace(RATES, kept_nodes=3)
    # 100 for the trial and 200 for the final training: two nodes beside it idle for 300 s
    assert Purse(keeping, None).committed([1]).usd == pytest.approx(330 + 2 * 300)
    # the second and the third trial at once cost little more than those nodes do anyway: their starts and their ends
    assert Purse(keeping, 330 + 600 + 1.0).bears([1]) == 1
    assert Purse(keeping, 330 + 600 - 1.0).bears([1]) == 0
    assert Purse(keeping, 330 + 600 + 2 * 10 + 1.0).bears([1, 1, 1]) == 3


def test_nodes_that_were_kept_by_earlier_processes_count_and_are_not_counted_twice():
    keeping, present = replace(RATES, kept_nodes=1), now().timestamp()
    closed = Kept(1, present - 1000, present - 900)
    still_up = Kept(1, present - 500, float("inf"))
    alone = Purse(keeping, None).committed().usd
    assert Purse(keeping, None, kept=[closed]).committed().usd == pytest.approx(alone + 100)
    assert Purse(keeping, None, kept=[closed, still_up]).committed().usd == pytest.approx(alone + 100 + 490, abs=1)


def test_a_study_that_goes_on_at_another_price_is_counted_at_the_dearer_one():
    dear = replace(MOVING, usd_per_hour=3.0, origin="list price of 2026-01-01")
    cheap = replace(MOVING, usd_per_hour=0.3, moved_usd_per_hour=None, origin="list price of 2026-02-02")
    for one, other in ((dear, cheap), (cheap, dear)):
        found = one.continuing(other, since=0.0)
        assert (found.usd_per_hour, found.moved_usd_per_hour) == (3.0, MOVING.moved_usd_per_hour)
        assert found.origin == dear.origin
    assert cheap.continuing(None, since=0.0) == cheap


# studies that go on with other limits


def lowered(by: float) -> Rates:
    """RATES, after a process that had so many times their limits ended 1000 s after the start."""
    names = ("startup_seconds", "idle_seconds", "trial_seconds", "final_seconds")
    before = replace(RATES, **{name: by * getattr(RATES, name) for name in names})
    return RATES.continuing(before, since=START.timestamp() + 1000)


def test_what_was_started_keeps_its_limits_and_what_will_be_has_the_new_ones():
    rates, never = lowered(10), float("inf")
    open_before = trial(0, Attempt("job", TrialState.RUNNING, started=at(0), began=at(0)))
    open_since = trial(1, Attempt("job", TrialState.RUNNING, started=at(1001), began=at(1001)))
    found = holds([trial(2, ended(100, 900, submitted=0)), open_before, open_since], [], rates, at=never)
    assert [(job.seconds, job.startup, job.idle) for job in found] == [(800, 100, 200), (1000, 100, 200), (100, 10, 20)]
    tries = [
        {"job": f"s-final-t0000-a{n}", "started": at(begin).isoformat(), "seconds": None, "usd": None}
        for n, begin in enumerate((0, 1001), start=1)
    ]
    assert [job.seconds for job in holds([], tries, rates, at=never)] == [2000, 200]
    assert Purse(rates, 330.0 + 1).bears([1]) == 1


def test_an_end_that_was_seen_hours_later_is_counted_at_the_longest_in_total_and_attempt():
    late = trial(0, ended(0, 5000))
    purse = Purse(RATES, None)
    (attempt,) = purse.account(late).attempts
    assert (attempt.seconds, attempt.usd) == (100, 100)
    assert purse.committed().usage.work == attempt.usd
    # also for a later process whose trials may take longer
    longer = replace(RATES, trial_seconds=900).continuing(RATES, since=at(6000).timestamp())
    assert Purse(longer, None, [late]).committed().usage.work == 100


def test_attempts_that_were_moved_stay_so_where_later_ones_will_not_be():
    moved = trial(0, preempted(0, 10), preempted(10, 20), ended(20, 30))
    stays = replace(MOVING, moves_after=None).continuing(MOVING, since=at(40).timestamp())
    for rates in (MOVING, stays):
        assert Purse(rates, None, [moved]).committed().document()["work"]["usd"] == 20 + 50
    assert stays.terms.is_moved(3) is False


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # of two jobs 60 s apart, the second in the later process: the node of the first lives until then at most
        (100, 20, Usage(20, 0, 20, 60 + 20)),
        # it was gone, or lives on as the new limit comes while it idles
        (20, 100, Usage(20, 0, 20, 20 + 100)),
        (45, 100, Usage(20, 0, 10, 60 + 100)),
    ],
)
def test_a_node_idles_as_long_as_its_cluster_lets_it(before, after, expected):
    rates = replace(RATES, idle_seconds=after)
    rates = rates.continuing(replace(RATES, idle_seconds=before), since=at(50).timestamp())
    jobs = [trial(0, ended(0, 10, submitted=-10)), trial(1, ended(70, 80, submitted=60))]
    assert bill(holds(jobs, [], rates, at=0.0), [], rates).own == expected


def test_a_node_that_nothing_follows_is_counted_as_its_process_let_it_idle():
    jobs = [trial(0, ended(0, 10, submitted=-10))]
    assert bill(holds(jobs, [], lowered(10), at=0.0), [], lowered(10)).own.idle == 200


def test_the_limits_of_earlier_processes_are_read_back_from_a_ledger_and_old_ledgers_have_none():
    rates = lowered(10).continuing(replace(lowered(10), trial_seconds=7), since=at(2000).timestamp())
    noted = json.loads(json.dumps(asdict(rates), allow_nan=False))
    study = StudyRecord("s", "s", 1, identity(), trials=8, created=START, updated=START, stages={"rates": noted})
    assert study_rates(study) == rates
    assert len(rates.earlier) == 2
    del noted["earlier"]
    assert study_rates(study) == RATES
    assert RATES.continuing(RATES, since=0.0) == RATES


SPENDING = {"price_per_hour": 360, "seconds_per_trial": 4000, "seconds_final": 4000}


@pytest.mark.parametrize(
    "lower",
    [
        {"budget": {**SPENDING, "seconds_per_trial": 60}},
        {"budget": {**SPENDING, "seconds_final": 60}},
        {"compute": {**AZURE, "idle_seconds": 120}},
        {"startup": 30},
    ],
)
def test_what_was_spent_does_not_shrink_where_a_study_goes_on_with_lower_limits(stage_bench, tmp_path, lower):
    """A trial and a final training that took longer than they now may, and a pause that no node now lives through."""
    bench, study, present = stage_bench.bench, stage_bench.study, now()
    planner = Planner(tmp_path, bench.ledger)
    options = {"budget": SPENDING, **lower}
    told = replace(TOLD, startup_seconds=options.pop("startup", 300))
    note_plan(bench, study, planner.make(budget=SPENDING))
    attempts = []
    for ago in (20_000, 15_500):
        began = present - timedelta(seconds=ago)
        times = {"started": began - timedelta(seconds=300), "began": began, "ended": began + timedelta(seconds=3500)}
        attempts.append(Attempt(f"j{ago}", TrialState.COMPLETED, seconds=3500.0, **times))
    trial = open_purse(bench, study).account(TrialRecord(0, TrialState.COMPLETED, {}, attempts=tuple(attempts)))
    bench.ledger.write_trials(study.name, [trial])
    started = (present - timedelta(seconds=9000)).isoformat()
    killed = {"job": "s-final-t0000-a1", "started": started, "seconds": None, "usd": None}
    bench.ledger.write_stage(study.name, "final-tries", {"tries": [killed]})

    def spent() -> float:
        return study_bill(bench.ledger.study(study.name), bench.ledger.trials(study.name), at=present).usd

    before, reserved = spent(), open_purse(bench, study).committed([1]).usd
    # at 0.1 USD a second: two trials with a pause on one node, its idle time, and the final training at its longest
    assert before == pytest.approx((300 + 3500 + 1000 + 3500 + 1800 + 300 + 5800 + 1800) / 10)
    note_plan(bench, study, planner.make(told, **options))
    assert spent() == pytest.approx(before)
    assert open_purse(bench, study).committed([1]).usd < reserved
    note_plan(bench, study, planner.make(budget=SPENDING))
    assert spent() == pytest.approx(before)
