"""How a study's view looks on a terminal and in a notebook."""

import io
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from rich.console import Console
from test_view import NOW, STUDY, told_rates
from told_study import FAILED, PRUNED, RUNNING, START, told_trial

from retuner.screen import NODES, duration, panel, sparkline, to_html
from retuner.search.states import StudyState
from retuner.search.view import view_study


def text_of(view, width=100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(panel(view))
    return console.file.getvalue()


def test_everything_that_an_operator_asks_is_on_the_screen():
    trials = [
        told_trial(0, value=0.5),
        told_trial(1, value=0.7),
        told_trial(2, PRUNED, 0.2),
        told_trial(3, FAILED, message="ValueError: no\nand more"),
        told_trial(4, RUNNING, node="tcp://n2:1"),
    ]
    text = text_of(view_study(STUDY, trials, now=NOW, alive=True))
    for words in (
        "FAQ_ranker-ab-1  searching",
        "4 of 8 ended",
        "running 1",
        "completed 2",
        "pruned 1",
        "failed 1",
        "gain@1 0.7000 in trial 1",
        "▁█  0.5000 to 0.7000",
        "trial 4, step 40, 20 s",
        "trial 3: ValueError: no",
        "of the search left",
    ):
        assert words in text, words
    assert "and more" not in text


@pytest.mark.parametrize(
    ("usd_per_hour", "is_bound", "words"),
    [
        (36.0, False, "so far 0.1 USD, planned 36 (estimates at the list price of 2026-04-01)"),
        (None, False, "so far 0.0028 node hours, planned 1 (estimates)"),
        (None, True, "so far 0.0028 node hours, planned at most 1 (estimates)"),
    ],
)
def test_what_it_costs_is_on_the_screen_beside_the_plan(usd_per_hour, is_bound, words):
    total = {"node_hours": 1.0, "usd": usd_per_hour}
    plan = {**dict.fromkeys(("work", "retrain", "startup", "idle", "total"), total), "is_bound": is_bound}
    study = replace(STUDY, stages={"rates": asdict(told_rates(usd_per_hour)), "plan": plan})
    (line,) = [line for line in shown(study) if line.startswith("cost")]
    assert " ".join(line.split()) == f"cost {words}"
    (ended,) = [line for line in shown(replace(study, state=StudyState.FINISHED)) if line.startswith("cost")]
    assert "so far" not in ended
    assert not [line for line in shown(STUDY) if line.startswith("cost")]


def shown(study) -> list[str]:
    held = replace(told_trial(0).attempts[0], began=START, seconds=10.0)
    trial = replace(told_trial(0), attempts=(held,))
    return text_of(view_study(study, [trial], now=NOW, alive=True)).splitlines()


def test_words_of_others_are_not_taken_for_markup():
    trials = [told_trial(0, FAILED, message="ValueError: [bold]no[/bold] [/]")]
    assert "[bold]no[/bold] [/]" in text_of(view_study(STUDY, trials, now=NOW, alive=True))


def test_many_nodes_are_counted_and_those_at_work_named_first():
    trials = [told_trial(n, node=f"n{n:04d}") for n in range(30)]
    trials.append(told_trial(30, RUNNING, node="z", start=START - timedelta(minutes=10)))
    lines = text_of(view_study(STUDY, trials, now=NOW, alive=True)).splitlines()
    first = next(index for index, line in enumerate(lines) if "nodes" in line)
    assert "z" in lines[first]
    assert f"and {31 - NODES} more" in lines[first + NODES]


def test_who_finds_a_dead_study_is_told_what_to_do():
    text = text_of(view_study(STUDY, [told_trial(0)], now=NOW, alive=False))
    assert "retune run --resume FAQ_ranker-ab-1" in text


def test_a_notebook_shows_the_same_and_is_no_place_for_html_of_others():
    trials = [told_trial(0, FAILED, message="ValueError: <script>alert(1)</script>")]
    html = to_html(view_study(replace(STUDY, message="<img>"), trials, now=NOW, alive=True))
    assert html.startswith("<pre")
    assert "<script>" not in html
    assert "<img>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([1.0, 1.0], "▁▁"), ([0.0, 0.5, 1.0], "▁▅█"), (list(range(600)), None)],
)
def test_a_sparkline_fits_its_line_and_ends_with_the_last_value(values, drawn):
    line = sparkline(values)
    assert len(line) <= 60
    assert drawn is None or line == drawn
    assert drawn is not None or (line[0], line[-1]) == ("▁", "█")


def test_a_duration_reads_well():
    assert [duration(seconds) for seconds in (0.4, 59.6, 185, 7620)] == ["0 s", "1 min 0 s", "3 min 5 s", "2 h 7 min"]
