"""The coordinator after a kill, and with money: what earlier processes did and paid counts."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from coordinator_bench import Bench
from fake_target import FakeTarget

from retuner.compute.target import JobState, JobStatus
from retuner.cost.purse import Purse
from retuner.cost.spending import Rates
from retuner.errors import UserError
from retuner.search.failures import failure_classes
from retuner.search.ledger import Ledger
from retuner.search.records import TrialRecord, now
from retuner.search.states import StudyState, TrialState
from retuner.search.transitions import finish, observe, start_attempt
from retuner_training.job import Job


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        yield Bench(ledger)


# after a kill


def test_after_a_kill_finished_results_are_collected_and_only_the_rest_is_trained(bench):
    target = FakeTarget(nodes=2)
    bench.run_until(target, lambda: len(target.storage) == 4, stopping="asha")
    # the results of the second wave are in storage, and the dead process never learned of them
    assert bench.states().count("running") == 2
    following = FakeTarget(nodes=2, storage=dict(target.storage))
    ended = {trial.number for trial in bench.trials() if trial.state.is_finished()}
    coordinator = bench.coordinator(following, stopping="asha")
    progress = coordinator.run()
    assert {trial.number for trial in bench.trials() if coordinator.is_told(trial)} == ended
    assert progress.counters["asked"] == 6
    assert progress.counters["running"] == 0
    assert set(following.trained).isdisjoint(target.storage)
    assert all(len(trial.attempts) == 1 for trial in bench.trials())


def test_after_a_kill_a_job_without_result_is_trained_again_under_its_name(bench):
    target = FakeTarget(nodes=2)
    bench.run_until(target, lambda: target.polls == 2)
    following = FakeTarget(nodes=2, storage=dict(target.storage))
    assert bench.run(following).counters["completed"] == 6
    assert following.trained[:2] == target.trained[:2]
    assert [len(trial.reports) for trial in bench.trials()] == [5] * 6


def test_after_a_kill_jobs_that_are_alive_are_adopted(bench):
    target = FakeTarget(nodes=2)
    bench.run_until(target, lambda: target.polls == 2)
    assert bench.run(target).counters["completed"] == 6
    assert len(target.submitted) == len(set(target.submitted)) == 6
    assert target.cancelled == []


def test_after_a_kill_jobs_that_are_alive_are_watched_before_others_are_started(bench):
    target = FakeTarget(nodes=2)
    bench.run_until(target, lambda: target.polls == 2)
    target.lose(target.submitted[0])
    polled, poll = [], target.poll
    target.poll = lambda jobs: polled.extend(jobs) or poll(jobs)
    target.scale(0, 1)
    bench.run(target)
    assert polled[0] == f"{bench.study.name}-t0001-a1"


def test_a_trial_does_not_fail_for_being_interrupted_often(bench):
    """Clean-up, or a stop that took too long, has ended its job each time before the next process asks for it."""
    target = FakeTarget(lambda parameters: [parameters["x"]] * 40)
    for _ in range(5):
        target.polls = 0
        bench.run_until(target, lambda: target.polls == 2, trials=1)
        target.cancel(target.living())
        target.poll({})
    assert bench.run(target, trials=1).counters["completed"] == 1
    (trial,) = bench.trials()
    assert [attempt.state.value for attempt in trial.attempts] == ["lost"] * 5 + ["completed"]
    assert trial.attempts[0].reason == "stopped: with the process that had begun it"
    assert "counts towards no limit" in failure_classes([trial])[0].what_next


def test_after_a_kill_jobs_that_nobody_waits_for_are_stopped(bench):
    target = FakeTarget(nodes=2)
    bench.run_until(target, lambda: target.polls == 2)
    orphan, final = (f"{bench.study.name}-{end}" for end in ("t0099-a1", "final-t0003-a1"))
    for name in (orphan, final):
        target.submit(Job(name, bench.study.name, "r", {"x": 1.0}, "d", "o"))
    bench.run(target)
    assert target.cancelled == [orphan]


def test_after_a_kill_a_trial_that_was_to_be_pruned_is_pruned(bench):
    target = FakeTarget(nodes=6)
    bench.run_until(target, lambda: bool(target.cancelled), stopping="median")
    condemned = set(target.cancelled)
    bench.run(FakeTarget(nodes=6), stopping="median")
    for trial in bench.trials():
        if trial.attempts[0].job in condemned:
            assert (trial.state, len(trial.attempts)) == (TrialState.PRUNED, 1)
            assert trial.value == trial.reports[-1][1]


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "grid"])
def test_a_study_that_was_killed_ends_with_the_trials_of_one_that_was_not(bench, sampler):
    bench.run(FakeTarget(), sampler=sampler, trials=16)
    unbroken = [(trial.parameters, trial.value) for trial in bench.trials()]
    bench.ledger.update_study(bench.study.name, state=StudyState.FINISHED)
    target = FakeTarget()
    kill_at = min(12, len(unbroken) - 1)
    bench.run_until(target, lambda: len(target.storage) == kill_at, sampler=sampler, trials=16)
    bench.run(FakeTarget(storage=target.storage), sampler=sampler, trials=16)
    assert [(trial.parameters, trial.value) for trial in bench.trials()] == unbroken


def test_a_finished_search_is_not_searched_again_unless_more_trials_are_wanted(bench):
    bench.run(FakeTarget())
    idle = FakeTarget()
    coordinator = bench.coordinator(idle)
    assert coordinator.run().counters["completed"] == 6
    assert coordinator.wait(5).state is TrialState.COMPLETED
    assert (idle.submitted, idle.polls) == ([], 0)
    more = FakeTarget()
    assert bench.run(more, trials=8).counters["completed"] == 8
    assert len(more.submitted) == 2


def test_a_study_that_is_resumed_with_fewer_trials_leaves_the_rest_alone(bench):
    target = FakeTarget(nodes=4)
    bench.run_until(target, lambda: target.polls == 2)
    progress = bench.run(target, trials=2)
    assert bench.states() == ["completed", "completed", "cancelled", "cancelled"]
    assert progress.counters["running"] == 0
    assert target.cancelled == target.submitted[2:]


def test_a_ledger_that_lost_a_trial_is_refused(bench):
    bench.coordinator(FakeTarget())
    bench.ledger.write_trials(bench.study.name, [TrialRecord(1, TrialState.ASKED, {"x": 0.5})])
    with pytest.raises(UserError, match="has lost trial 0"):
        bench.run(FakeTarget())


def test_the_cost_of_a_trial_does_not_grow_with_their_number(bench):
    """Counted in calls, not in time: one poll serves all nodes, and a finished trial is never looked at again."""
    target = FakeTarget(nodes=8)
    asked, poll = [], target.poll

    def counting(jobs: Mapping[str, int]) -> dict[str, JobStatus]:
        asked.append(len(jobs))
        return poll(jobs)

    target.poll = counting
    bench.run(target, trials=400)
    assert len(asked) <= 400 * 5 / 8 * 1.2
    assert sum(asked) == 400 * 5


# money


RATES = Rates(usd_per_hour=3600.0, startup_seconds=0, idle_seconds=0, trial_seconds=100, final_seconds=50)
"""One USD a second, so that a trial costs 100 USD at most, and far less in these tests."""


def purse_of(bench: Bench, max_cost: float, rates: Rates = RATES) -> Purse:
    """As the flow opens it: with all that the ledger knows of the study."""
    trials = bench.trials() if hasattr(bench, "study") else []
    return Purse(rates, max_cost, trials)


def worst_case(bench: Bench) -> float:
    """USD that the study may have cost by now, from its ledger alone, with a final training after it."""
    return Purse(RATES, None, bench.trials()).committed().usd


@pytest.mark.parametrize(("max_cost", "at_once"), [(159, 1), (359, 3), (10_000, 4)])
def test_no_more_jobs_are_in_flight_than_max_cost_bears_at_their_longest(bench, max_cost, at_once):
    target, committed = FakeTarget(nodes=4), []
    target.on_poll = lambda: committed.append(worst_case(bench))
    progress = bench.run(target, trials=8, purse=purse_of(bench, max_cost))
    assert progress.counters["completed"] == 8  # they take a second each
    assert target.busiest == at_once
    assert max(committed) <= max_cost


def test_the_search_ends_where_another_trial_does_not_fit_and_keeps_what_it_has_learnt(bench):
    target = FakeTarget(nodes=2)
    # the fake's trainings take a second each by their results
    progress = bench.run(target, trials=50, purse=purse_of(bench, 150 + 5.5))
    study = bench.ledger.study(bench.study.name)
    assert study.stages["search"]["ended_by"] == "cost"
    assert study.state is StudyState.OPEN  # the final training comes next
    assert 5 <= progress.counters["completed"] == progress.counters["asked"] < 50
    assert worst_case(bench) <= 150 + 5.5
    assert progress.best_value is not None
    assert not progress.stopped


def test_the_cost_of_each_attempt_is_in_the_ledger(bench):
    bench.run(FakeTarget(), trials=2, purse=purse_of(bench, 10_000))
    for trial in bench.trials():
        assert trial.attempts[0].seconds == trial.attempts[0].usd == trial.usd >= 1.0


def test_a_job_that_ended_between_two_looks_held_its_node_since_it_was_sent(bench):
    """At most for a minute more than its training took, and never for nothing."""
    target = FakeTarget(speed=10)  # it has ended when it is looked at first
    bench.run(target, trials=1)
    (attempt,) = bench.trials()[0].attempts
    assert attempt.began is None
    assert attempt.seconds >= 1.0


def test_after_a_kill_what_was_spent_counts(bench):
    target = FakeTarget(nodes=2)
    bench.run_until(target, lambda: len(target.storage) == 6, trials=50)
    spent = len(target.storage)
    killed = FakeTarget(nodes=2, storage=dict(target.storage))
    progress = bench.run(killed, trials=50, purse=purse_of(bench, 150 + spent - 0.5))
    assert bench.ledger.study(bench.study.name).stages["search"]["ended_by"] == "cost"
    assert progress.counters["completed"] >= 4
    assert worst_case(bench) <= 150 + spent


def test_after_a_kill_the_jobs_in_flight_go_on_without_being_paid_twice(bench):
    """Two at their longest are all that the budget bears: both were in flight, and both are adopted."""
    limit = 2 * 100 + 50 + 1
    target = FakeTarget(nodes=2)
    bench.run_until(target, lambda: target.polls == 2, trials=2, purse=purse_of(bench, limit))
    progress = bench.run(target, trials=2, purse=purse_of(bench, limit))
    assert progress.counters["completed"] == 2
    assert len(target.submitted) == 2


def test_a_search_that_tried_all_its_trials_was_not_ended_by_the_cost(bench):
    bench.run(FakeTarget(), trials=3, purse=purse_of(bench, 150 + 2.5))
    assert bench.ledger.study(bench.study.name).stages["search"]["ended_by"] == "trials"


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.STOPPED])
def test_a_job_that_is_adopted_holds_its_node_since_it_got_it(state):
    """Also where it has ended unseen, without a result that says how long it trained."""
    began = now() - timedelta(minutes=45)
    trial = start_attempt(TrialRecord(0, TrialState.ASKED), "s")
    seen = observe(trial, JobStatus(state, began=began))
    ended = finish(seen, JobStatus(JobState.STOPPED, began=began), attempts=3)
    assert ended.attempts[-1].seconds == pytest.approx(45 * 60, abs=60)
