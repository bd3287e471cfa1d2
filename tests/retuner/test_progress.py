"""The running totals of a search: each change costs the same, however many trials there are."""

import random

import pytest
from told_study import COMPLETED, FAILED, PRUNED, RUNNING, told_trial

from retuner.search.progress import LEADERS, Scores
from retuner.search.records import ranked


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_leaders_are_the_best_of_all_trials(direction):
    draw = random.Random(0)
    states = [draw.choice((COMPLETED, PRUNED, FAILED)) for _ in range(300)]
    trials = [told_trial(number, state, round(draw.random(), 2)) for number, state in enumerate(states)]
    scores = Scores("s", planned=300, direction=direction)
    for trial in trials:
        scores.move(None, trial)
        assert len(scores.snapshot(seconds=0, stopped=False).leaders) <= LEADERS
    leaders = scores.snapshot(seconds=0, stopped=False).leaders
    assert list(leaders) == ranked(trials, direction)[:LEADERS]


def test_a_trial_leads_once_it_has_ended():
    scores, running, ended = Scores("s", planned=1, direction="maximize"), told_trial(0, RUNNING), told_trial(0)
    scores.move(None, running)
    assert scores.snapshot(seconds=0, stopped=False).leaders == ()
    scores.move(running, ended)
    assert scores.snapshot(seconds=0, stopped=False).leaders == (ended,)
