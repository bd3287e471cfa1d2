"""The stopping rules against tables that were worked out by hand."""

import math

import pytest

from retuner.search.space import validate_space
from retuner.search.states import TrialState
from retuner.search.stopping import MedianRule
from retuner.search.study import LiveStudy, SearchPlan

SPACE = validate_space({"x": {"type": "float", "low": 0, "high": 1}})


def feed(rule: MedianRule, rounds: list[dict[str, float]]) -> list[str]:
    """Report in rounds, trials in the order of their names; the stops as `name@round`."""
    stops = []
    for number, values in enumerate(rounds, start=1):
        stops += [f"{name}@{number}" for name, value in values.items() if rule.report(ord(name), value)]
    return stops


# running averages after each report        best
#   a: 0.6  0.7  0.7                          0.8
#   b: 0.4  0.4  0.5                          0.7
#   c: 0.2  0.3  0.3                          0.4
# report 2, c: medians of (0.7, 0.4, 0.3) = 0.4; its best is 0.4, not worse
# report 3, c: median of (0.7, 0.5, 0.3) = 0.5; its best is 0.4: stopped
TABLE = [{"a": 0.6, "b": 0.4, "c": 0.2}, {"a": 0.8, "b": 0.4, "c": 0.4}, {"a": 0.7, "b": 0.7, "c": 0.3}]


def test_a_trial_stops_in_the_first_wave_when_its_best_is_below_the_median_of_averages():
    assert feed(MedianRule("maximize", delay=2, interval=1), TABLE) == ["c@3"]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_trials_that_stay_at_one_value_are_not_worse_than_their_own_rounding(direction):
    rule = MedianRule(direction, delay=1, interval=1)
    assert feed(rule, [dict.fromkeys("abc", 0.1)] * 10) == []  # 0.1 + 0.1 + 0.1 is more than 0.3


def test_minimizing_mirrors_maximizing():
    mirrored = [{name: -value for name, value in values.items()} for values in TABLE]
    assert feed(MedianRule("minimize", delay=2, interval=1), mirrored) == ["c@3"]


def test_nothing_is_stopped_before_the_delay():
    assert feed(MedianRule("maximize", delay=1, interval=1), TABLE) == ["b@1", "c@1", "c@3"]
    assert feed(MedianRule("maximize", delay=4, interval=1), TABLE) == []


def test_the_rule_looks_at_multiples_of_the_interval_only():
    assert feed(MedianRule("maximize", delay=1, interval=2), TABLE) == []
    assert feed(MedianRule("maximize", delay=2, interval=3), TABLE) == ["c@3"]


def test_a_trial_that_ended_early_counts_with_the_reports_that_it_has():
    rule = MedianRule("maximize", delay=3, interval=1)
    # a and b end after two reports (averages 0.9 and 0.8), c alone goes on: median of (0.9, 0.8, 0.5) = 0.8
    assert feed(rule, [{"a": 0.9, "b": 0.8, "c": 0.5}, {"a": 0.9, "b": 0.8, "c": 0.5}, {"c": 0.5}]) == ["c@3"]


def test_later_reports_of_others_do_not_count_at_an_earlier_one():
    rule = MedianRule("maximize", delay=1, interval=1)
    # a's average over report 1 is 0.5, whatever it reached afterwards; b's own is 0.5 as well
    assert feed(rule, [{"a": 0.5}, {"a": 0.9}, {"a": 0.9}]) == []
    assert not rule.report(ord("b"), 0.5)
    assert rule.report(ord("b"), 0.5)


def test_a_trial_that_reports_no_number_is_stopped():
    rule = MedianRule("maximize", delay=1, interval=1)
    assert feed(rule, [{"a": 0.5, "b": math.nan}]) == ["b@1"]
    assert feed(rule, [{}, {"a": 0.5}]) == []


@pytest.mark.parametrize("interval", [1, 2])
def test_many_trials_with_many_reports_agree_with_the_definition(interval):
    rule, history, wrong = MedianRule("maximize", delay=3, interval=interval), {}, []
    for report in range(1, 21):
        for trial in range(150):
            value = trial % 10 / 10 + math.sin(trial * 7 + report) / 5
            history.setdefault(trial, []).append(value)
            averages = [sum(h[:report]) / len(h[:report]) for h in history.values()]
            middle = sorted(averages)[(len(averages) - 1) // 2 : len(averages) // 2 + 1]
            worse = max(history[trial]) < sum(middle) / len(middle) - 1e-12
            expected = report >= 3 and report % interval == 0 and worse
            if rule.report(trial, value) != expected:
                wrong.append((trial, report))
    assert wrong == []


@pytest.mark.parametrize(("delay", "rungs"), [(1, {1, 3, 9}), (2, {2, 6})])
def test_asha_keeps_the_best_third_at_each_rung(delay, rungs):
    study = LiveStudy(SearchPlan(SPACE, sampler="random", stopping="asha", delay=delay))
    stopped_at = []
    for trial in range(30):
        number, _ = study.ask()
        value = trial * 7 % 30 / 30
        for report in range(1, 10):
            if study.report(number, report, value):
                stopped_at.append(report)
                study.tell(number, TrialState.PRUNED)
                break
        else:
            study.tell(number, TrialState.COMPLETED, value)
    assert set(stopped_at) == rungs
    assert len(stopped_at) > 15


@pytest.mark.parametrize("stopping", ["asha", "median"])
def test_a_restored_study_stops_as_the_first_one_would_have(stopping):
    plan = SearchPlan(SPACE, sampler="random", stopping=stopping)
    strong = [0.8, 0.9, 1.0]
    first, resumed = LiveStudy(plan), LiveStudy(plan)
    for _ in range(3):
        number, parameters = first.ask()
        for index, value in enumerate(strong, start=1):
            first.report(number, index, value)
        first.tell(number, TrialState.COMPLETED, 1.0)
        resumed.restore(parameters, TrialState.COMPLETED, value=1.0, reports=strong)
    for study in (first, resumed):
        number, _ = study.ask()
        assert study.report(number, 1, 0.1)


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf])
def test_a_report_that_is_no_number_is_nobodys_rival(nothing):
    plan = SearchPlan(SPACE, sampler="random", stopping="asha")
    first, resumed = LiveStudy(plan), LiveStudy(plan)
    for value in (0.9, 0.8, 0.7, nothing, nothing, nothing, nothing):
        number, parameters = first.ask()
        first.report(number, 1, value)
        first.tell(number, TrialState.FAILED)
        resumed.restore(parameters, TrialState.FAILED, value=None, reports=[value])
    for study in (first, resumed):
        number, _ = study.ask()
        assert not study.report(number, 1, 0.99)


def test_a_second_attempt_does_not_report_twice():
    study = LiveStudy(SearchPlan(SPACE, sampler="random", stopping="median"))
    one, other = study.ask()[0], study.ask()[0]
    assert not study.report(one, 1, 1.0)
    assert study.report(other, 1, 0.0)
    assert not study.report(other, 1, 0.0)


def test_without_a_rule_nothing_is_stopped():
    study = LiveStudy(SearchPlan(SPACE, sampler="random", stopping="none"))
    best, worst = study.ask()[0], study.ask()[0]
    assert not any(study.report(best, n, 1.0) or study.report(worst, n, 0.0) for n in range(1, 9))
