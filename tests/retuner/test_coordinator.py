"""The coordinator, with a target in memory that does the work."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from coordinator_bench import PACE, Bench, falling_out
from fake_target import FakeTarget

from retuner.errors import FatalError, RetryableError, UserError
from retuner.search.ahead import SHORT_TRIALS, Ahead
from retuner.search.ledger import Ledger
from retuner.search.patience import Patience
from retuner.search.records import TrialRecord, best_trial
from retuner.search.states import StudyState, TrialState
from retuner_training.job import Job


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        yield Bench(ledger)


# the plain case


def test_all_trials_complete_and_the_ledger_holds_their_results(bench):
    progress = bench.run(FakeTarget(nodes=2))
    trials = bench.trials()
    assert progress.counters == {"asked": 6, "running": 0, "completed": 6, "pruned": 0, "failed": 0}
    for trial in trials:
        assert trial.value == pytest.approx(trial.parameters["x"])
        assert trial.metrics == {"gain@1": trial.value}
        assert [step for step, _ in trial.reports] == [10, 20, 30, 40, 50]
        assert [a.job for a in trial.attempts] == [f"{bench.study.name}-t{trial.number:04d}-a1"]
        assert trial.attempts[0].node == "node-1"
        assert trial.attempts[0].ended >= trial.attempts[0].started
    best = best_trial(trials, "maximize")
    assert (progress.best_trial, progress.best_value) == (best.number, best.value)
    assert progress.best_parameters == best.parameters
    assert bench.ledger.study(bench.study.name).stages["search"]["best_trial"] == best.number


def test_minimizing_finds_the_smallest(bench):
    progress = bench.run(FakeTarget(), direction="minimize")
    assert progress.best_value == min(trial.value for trial in bench.trials())


def test_every_node_is_used_and_no_more_than_the_budget_allows(bench):
    all_nodes, limited = FakeTarget(nodes=3), FakeTarget(nodes=3)
    bench.run(all_nodes)
    bench.run(limited, parallel=2, seed=1)
    assert (all_nodes.busiest, limited.busiest) == (3, 2)


@pytest.mark.parametrize(
    ("seconds", "options", "busiest"),
    [
        (0.1, {"sampler": "random"}, 4),
        (0.1, {"sampler": "tpe"}, 2),  # a trial that is asked for earlier knows less
        (0.1, {"sampler": "random", "parallel": 2}, 2),
        (0.5, {"sampler": "random"}, 2),
    ],
)
def test_nodes_are_given_short_trials_ahead_of_time(bench, seconds, options, busiest):
    target = FakeTarget(nodes=2, took=seconds)
    target.ahead = 1
    progress = bench.run(target, trials=SHORT_TRIALS + 12, **options)
    assert target.busiest == busiest
    assert progress.counters["completed"] == SHORT_TRIALS + 12


@pytest.mark.parametrize(
    ("seconds", "to_come", "jobs"),
    [(0.0, 99, 16), (0.03, 99, 16), (0.1, 99, 5), (0.4, 99, 1), (0.5, 99, 0), (0.1, 12, 3), (0.1, 3, 0)],
)
def test_what_waits_at_a_node_is_half_a_seconds_work_and_half_of_all_that_is_left(seconds, to_come, jobs):
    ahead = Ahead(16)
    for number in range(SHORT_TRIALS):
        ahead.heard(TrialRecord(number, TrialState.COMPLETED, {}, seconds=seconds))
    assert ahead.jobs(2, to_come) == jobs


def test_a_long_trial_ends_what_is_given_ahead_of_time():
    ahead = Ahead(1)
    short = TrialRecord(0, TrialState.COMPLETED, {}, seconds=0.1)
    for _ in range(SHORT_TRIALS):
        assert ahead.jobs(1, 9) == 0
        ahead.heard(short)
    assert ahead.jobs(1, 9) == 1
    for unknown in (replace(short, seconds=None), replace(short, state=TrialState.PRUNED, seconds=0.4)):
        ahead.heard(unknown)
        assert ahead.jobs(1, 9) == 1
    ahead.heard(replace(short, state=TrialState.PRUNED, seconds=0.6))
    assert ahead.jobs(1, 9) == 0


def test_the_number_of_nodes_does_not_change_the_trials(bench):
    drawn = {}
    for nodes in (1, 4):
        bench.run(FakeTarget(nodes=nodes, speed=nodes), trials=12)
        drawn[nodes] = [(trial.parameters, trial.value) for trial in bench.trials()]
        bench.ledger.update_study(bench.study.name, state=StudyState.FINISHED)
    assert drawn[1] == drawn[4]


def test_a_grid_ends_where_all_its_combinations_are_tried(bench):
    coordinator = bench.coordinator(FakeTarget(), sampler="grid", trials=10)
    coordinator.run()
    assert sorted(trial.parameters["x"] for trial in bench.trials()) == [0.0, 0.5, 1.0]
    assert coordinator.wait(3) is None


def test_a_state_is_in_the_ledger_before_the_target_hears_of_it(bench):
    target, seen = FakeTarget(nodes=2), []
    submit = target.submit

    def look_then_submit(job: Job) -> None:
        trial = next(trial for trial in bench.trials() if trial.attempts[-1].job == job.name)
        seen.append((trial.state, trial.parameters == job.parameters))
        submit(job)

    target.submit = look_then_submit
    bench.run(target)
    assert seen == [(TrialState.SUBMITTED, True)] * 6


# waiting


def test_whoever_waits_gets_each_trial_from_the_thread_that_runs(bench):
    coordinator, got = bench.coordinator(FakeTarget(nodes=2)), {}
    waiters = [threading.Thread(target=lambda n=n: got.update({n: coordinator.wait(n)})) for n in range(7)]
    for waiter in waiters:
        waiter.start()
    coordinator.run()
    for waiter in waiters:
        waiter.join(10)
    assert [got[n].number for n in range(6)] == list(range(6))
    assert got[6] is None


def test_a_trial_is_in_the_ledger_before_whoever_waits_hears_of_it(bench):
    coordinator, written = bench.coordinator(FakeTarget(), trials=1), []
    waiter = threading.Thread(target=lambda: written.append((coordinator.wait(0), bench.trials()[0])))
    waiter.start()
    coordinator.run()
    waiter.join(10)
    assert written[0][0] == written[0][1]


def test_progress_is_told_as_it_changes(bench):
    heard = []
    bench.run(FakeTarget(), on_change=heard.append)
    assert [p.counters["completed"] for p in heard if p.counters["running"] == 0][-1] == 6
    assert heard[0].counters == {"asked": 1, "running": 1, "completed": 0, "pruned": 0, "failed": 0}


# stopping rules


@pytest.mark.parametrize("stopping", ["median", "asha"])
def test_weak_trials_are_pruned_in_the_first_wave(bench, stopping):
    target = FakeTarget(nodes=6)
    progress = bench.run(target, stopping=stopping, delay=2)
    pruned = [trial for trial in bench.trials() if trial.state is TrialState.PRUNED]
    assert progress.counters["pruned"] == len(pruned) >= 2
    assert len(target.submitted) == target.busiest == 6
    for trial in pruned:
        assert trial.value == trial.reports[-1][1] < progress.best_value
        assert len(trial.reports) < 5
        assert trial.attempts[-1].reason == "pruned"
    assert sorted(target.cancelled) == sorted(trial.attempts[-1].job for trial in pruned)


def test_a_trial_that_is_stopped_without_a_number_has_failed(bench):
    nan = float("nan")
    bench.run(FakeTarget(lambda p: [0.5, 0.5] if p["x"] > 0.5 else [nan, nan], nodes=6), stopping="asha", sampler="qmc")
    for trial in bench.trials():
        if trial.parameters["x"] <= 0.5:
            assert (trial.state, trial.value) == (TrialState.FAILED, None)
            assert trial.message.startswith("no value: ")
    assert bench.states().count("failed") == 3


def test_a_trial_that_completes_though_it_was_to_be_pruned_counts_as_completed(bench):
    target = FakeTarget(nodes=6)
    target.deaf = True
    progress = bench.run(target, stopping="median")
    assert len(target.cancelled) >= 2
    assert progress.counters["completed"] == 6


def test_the_reason_for_a_stop_is_in_the_ledger_before_the_job_is_asked(bench):
    target, reasons = FakeTarget(nodes=6), []
    cancel = target.cancel

    def look_then_cancel(names: Any) -> None:
        written = {trial.attempts[-1].job: trial.attempts[-1].reason for trial in bench.trials() if trial.attempts}
        reasons.extend(written[name] for name in names)
        cancel(names)

    target.cancel = look_then_cancel
    bench.run(target, stopping="median")
    assert reasons
    assert set(reasons) == {"pruned"}


# what goes wrong


def test_a_lost_job_gets_a_new_attempt_with_the_same_hyperparameters(bench):
    target = FakeTarget(nodes=2)
    target.on_poll = lambda: target.lose(target.submitted[0]) if target.polls == 2 else None
    bench.run(target, stopping="median")
    trial = bench.trials()[0]
    assert trial.state.is_finished()
    assert [a.job[-8:] for a in trial.attempts] == ["t0000-a1", "t0000-a2"]
    assert trial.attempts[0].state is TrialState.LOST
    assert trial.attempts[0].reason == "lost: the worker died"
    assert len([name for name in target.submitted if "-t0000-" in name]) == 2


def test_the_reports_are_those_of_the_last_attempt(bench):
    bases = iter([0.1, 0.2])
    target = FakeTarget(lambda p: [next(bases)] * 4)
    target.on_poll = lambda: target.lose(target.submitted[0]) if target.polls == 3 else None
    bench.run(target, trials=1)
    assert bench.trials()[0].reports == ((10, 0.2), (20, 0.2), (30, 0.2), (40, 0.2))


def test_a_trial_that_is_lost_three_times_fails(bench):
    target = FakeTarget()
    target.on_poll = lambda: [target.lose(name) for name in target.living() if "-t0001-" in name]
    progress = bench.run(target)
    trial = bench.trials()[1]
    assert (trial.state, trial.message) == (TrialState.FAILED, "lost: the worker died (3 times)")
    assert [a.job[-2:] for a in trial.attempts] == ["a1", "a2", "a3"]
    assert progress.counters == {"asked": 6, "running": 0, "completed": 5, "pruned": 0, "failed": 1}


def test_a_training_that_raises_is_a_failed_trial_without_another_attempt(bench):
    target = FakeTarget(falling_out({1, 3}))
    progress = bench.run(target)
    assert bench.states() == ["completed", "failed", "completed", "failed", "completed", "completed"]
    assert bench.trials()[1].message == "ValueError: bad leaf"
    assert progress.failures == ("ValueError: bad leaf",) * 2
    assert len(target.submitted) == 6


def test_a_trial_out_of_time_fails_as_timeout(bench):
    slow = FakeTarget(lambda p: [p["x"]] * (9 if p["x"] > 0.5 else 2))
    bench.run(slow, seconds=4, min_success_ratio=0)
    for trial in bench.trials():
        late = trial.parameters["x"] > 0.5
        assert trial.state is (TrialState.FAILED if late else TrialState.COMPLETED)
        assert trial.message == ("timeout: stopped after 1 s" if late else None)
    assert len({trial.state for trial in bench.trials()}) == 2


def test_a_value_that_is_no_number_is_a_failure(bench):
    bench.run(FakeTarget(lambda p: [float("nan") if p["x"] > 0.5 else p["x"]]), min_success_ratio=0)
    assert {trial.message for trial in bench.trials() if trial.state is TrialState.FAILED} == {
        "no value: the training returned nan"
    }


def test_a_study_fails_when_too_few_trials_succeed_and_says_why(bench):
    coordinator = bench.coordinator(FakeTarget(falling_out({0, 2, 3, 4})))
    words = "4 of 6 trials failed, 4 with: ValueError: bad leaf.* or lower budget.min_success_ratio"
    with pytest.raises(UserError, match=words):
        coordinator.run()
    study = bench.ledger.study(bench.study.name)
    assert study.state is StudyState.FAILED
    assert "bad leaf" in study.message
    assert coordinator.wait(0).state is TrialState.FAILED


def test_a_lower_ratio_lets_the_same_study_pass(bench):
    assert bench.run(FakeTarget(falling_out({0, 2, 3, 4})), min_success_ratio=0.3).counters["failed"] == 4


def test_a_study_without_any_success_fails_whatever_its_ratio(bench):
    with pytest.raises(UserError, match="2 of 2 trials failed, 2 with"):
        bench.run(FakeTarget(falling_out({0, 1})), trials=2, min_success_ratio=0)


def test_a_search_in_which_everything_fails_ends_early(bench):
    target = FakeTarget(falling_out(set(range(1000))), nodes=2)
    with pytest.raises(UserError, match="6 of 6 trials failed, 6 with"):
        bench.run(target, trials=200)
    assert len(target.submitted) == 6


def test_a_target_that_is_silent_for_a_while_is_borne_with(bench):
    target = FakeTarget(nodes=2)
    target.on_poll = lambda: setattr(target, "silent", 3) if target.polls in (2, 4) else None
    assert bench.run(target).counters["completed"] == 6
    assert len(target.submitted) == len(set(target.submitted)) == 6


def test_a_target_that_stays_silent_ends_the_search_and_releases_all_who_wait(bench):
    target = FakeTarget()
    target.on_poll = lambda: setattr(target, "silent", 10**9)
    coordinator = bench.coordinator(target)
    with pytest.raises(RetryableError, match="does not answer"):
        coordinator.run()
    with pytest.raises(FatalError, match="broke off before this trial ended: RetryableError: the target does not"):
        coordinator.wait(5)
    assert bench.ledger.study(bench.study.name).state is StudyState.OPEN


def test_an_answer_renews_the_patience():
    patience, error = Patience(PACE), RetryableError("no answer")
    patience.failed(error, limit=0)
    patience.answered(changed=False)
    patience.failed(error, limit=0)
    with pytest.raises(RetryableError, match="no answer"):
        patience.failed(error, limit=0)


def test_a_target_without_nodes_is_waited_for(bench):
    """It finds new ones when it is polled."""
    target = FakeTarget(nodes=0)
    target.on_poll = lambda: target.scale(0, 2) if target.polls == 3 else None
    assert bench.run(target).counters["completed"] == 6


# budgets and the stop event


def test_when_the_minutes_are_over_live_trials_end_with_their_last_report(bench):
    endless = FakeTarget(lambda p: [p["x"]] * 10**6, nodes=2)
    coordinator = bench.coordinator(endless, minutes=1 / 60)
    progress = coordinator.run()
    assert progress.counters == {"asked": 2, "running": 0, "completed": 0, "pruned": 2, "failed": 0}
    trial = bench.trials()[0]
    assert trial.value == trial.reports[-1][1]
    assert trial.message == "stopped: the search's minutes were over"
    assert not progress.stopped
    assert coordinator.wait(0).state is TrialState.PRUNED
    assert coordinator.wait(5) is None


def test_jobs_that_ignore_the_end_of_the_minutes_count_with_their_last_report(bench):
    endless = FakeTarget(lambda p: [p["x"]] * 10**6, nodes=2)
    endless.deaf = True
    assert bench.run(endless, minutes=1 / 60).counters["pruned"] == 2
    assert all(trial.value == trial.reports[-1][1] for trial in bench.trials())


def test_minutes_without_a_single_report_fail_the_study_with_that_reason(bench):
    with pytest.raises(UserError, match="none reported a value before its budget was used up"):
        bench.run(FakeTarget(), minutes=1e-9)


def test_a_stop_cancels_all_jobs_and_leaves_the_study_open(bench):
    target, stop = FakeTarget(lambda p: [p["x"]] * 10**6, nodes=2), threading.Event()
    target.on_poll = lambda: stop.set() if target.polls == 3 else None
    coordinator = bench.coordinator(target, stop=stop)
    progress = coordinator.run()
    assert progress.stopped
    assert target.living() == []
    assert bench.states() == ["cancelled", "cancelled"]
    assert bench.ledger.study(bench.study.name).state is StudyState.OPEN
    assert coordinator.wait(0).message == "the search was stopped"
    assert coordinator.wait(5).message == "stopped before it began"


def test_a_job_that_completes_while_it_is_stopped_is_kept(bench):
    target, stop = FakeTarget(nodes=2), threading.Event()
    target.deaf = True
    target.on_poll = lambda: stop.set() if target.polls == 4 else None
    bench.run(target, stop=stop)
    assert bench.states() == ["completed", "completed"]


def test_jobs_that_ignore_a_stop_are_left_behind_and_collected_by_the_next_process(bench):
    target, stop = FakeTarget(lambda p: [p["x"]] * 10**6), threading.Event()
    target.deaf = True
    target.on_poll = lambda: stop.set() if target.polls == 3 else None
    bench.run(target, stop=stop, trials=1)
    assert bench.trials()[0].message == "its job did not stop in time"
    job = target.living()[0]
    finished = FakeTarget()
    finished.submit(Job(job, bench.study.name, "r", {"x": 0.25}, "d", "o"))
    while finished.living():
        finished.poll({})
    following = FakeTarget(storage=finished.storage)
    bench.run(following, trials=1)
    assert (following.trained, bench.trials()[0].value) == ([], 0.25)


def test_a_stopped_study_is_resumed_with_the_same_trials(bench):
    target, stop = FakeTarget(nodes=2), threading.Event()
    target.on_poll = lambda: stop.set() if target.polls == 7 else None
    assert bench.run(target, stop=stop).stopped
    before = bench.trials()
    assert {trial.state for trial in before} == {TrialState.COMPLETED, TrialState.CANCELLED}
    following = FakeTarget(nodes=2, storage=target.storage)
    assert bench.run(following).counters["completed"] == 6
    after = bench.trials()
    assert [trial.parameters for trial in after[: len(before)]] == [trial.parameters for trial in before]
    assert [name[-8:] for name in following.submitted[:2]] == ["t0002-a2", "t0003-a2"]
    assert len(following.submitted) == 4


def test_what_an_earlier_process_left_alive_is_stopped_where_it_is_not_started_again(bench):
    target = FakeTarget(nodes=4)
    bench.run_until(target, lambda: len(target.submitted) == 4)
    target.size = 0  # so that no slot is there for them
    stop = threading.Event()
    target.on_poll = stop.set
    target.find = lambda study: stop.set() or target.living()  # asked to stop in between
    progress = bench.run(target, stop=stop)
    assert progress.stopped
    assert set(target.submitted) <= set(target.cancelled)


def test_a_job_whose_submission_was_not_answered_is_stopped_as_well(bench):
    target = FakeTarget(nodes=1)
    stop, submit = threading.Event(), target.submit

    def lost_answer(job: Job) -> None:
        submit(job)
        stop.set()
        raise RetryableError("the answer was lost")

    target.submit = lost_answer
    assert bench.run(target, stop=stop).stopped
    assert target.cancelled == target.submitted
