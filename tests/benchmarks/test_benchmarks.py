"""The benchmark itself, at a size at which its figures mean nothing."""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import pytest

from benchmarks.__main__ import PAGE, main
from benchmarks.bench import TINY, Bench, Failure, Measured
from benchmarks.measured.commands import run_command
from benchmarks.measured.stopping import replay
from benchmarks.report import has_block, table_block, write_block
from benchmarks.result import Goal, Result
from benchmarks.rows import ROWS, TABLES

GOALS = {
    "reference-cpu": ">= 5",
    "ranker-cpu": ">= 25",
    "ranker-cpu-again": ">= 50",
    "prepare-cpu": ">= 50",
    "against-optuna": "<= 1.1",
    "against-ray": "< 1",
    "busy-workers": ">= 0.9",
    "overhead": "<= 3",
    "memory": "<= 1.3",
    "asha-reference": ">= 40",
    "answer": "< 50",
    "make-run-seconds": "< 90",
    "make-run-memory": "< 3000",
    "retune-minutes": "< 6",
    "gain-at-1": ">= 0.93",
    "gain-at-2": ">= 0.968",
    "gain-at-3": ">= 0.978",
    "prepare-seconds": "< 10",
}
IN_PROCESSES = {"threads", "against-optuna", "against-ray", "against-sklearn", "busy-workers", "memory"}
IN_PROCESSES |= {"overhead", "least-overhead", "flat-cost", "make-run-seconds", "make-run-memory", "retune-minutes"}
IN_PROCESSES |= {"gain-at-1", "gain-at-2", "gain-at-3"}


class InThisProcess(Bench):
    """Calls what is measured in the tests' own process: a process of its own takes seconds to import its libraries."""

    def child(self, function: str, *, threads: int = 1, **arguments) -> Measured:
        module, _, name = function.partition(":")
        value = getattr(import_module(f"benchmarks.measured.{module}"), name)(**arguments)
        return Measured(json.loads(json.dumps(value)), cpu=1.0, memory=1.0)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Bench:
    return InThisProcess("sample", folder=tmp_path_factory.mktemp("here"), scale=TINY, runs=1)


@pytest.fixture(scope="module")
def apart(tmp_path_factory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PREFECT_API_URL", "PREFECT_UI_URL", "PREFECT_HOME"):
            patch.delenv(name, raising=False)  # its server takes the place of the other tests', which have it back then
        with Bench("sample", folder=tmp_path_factory.mktemp("apart"), scale=TINY, runs=1) as bench:
            bench.cores = 1
            yield bench


def check(name: str, result: Result) -> None:
    assert result.figures
    assert str(result.goal or "") == GOALS.get(name, str(result.goal or ""))
    assert len(result.cells()) == 6


def test_every_goal_of_the_issues_has_its_row():
    assert set(GOALS) <= set(ROWS)


@pytest.mark.parametrize("name", [name for name in ROWS if name not in IN_PROCESSES])
def test_a_row_gives_a_figure_against_its_goal(name, here):
    check(name, ROWS[name](here))


@pytest.mark.parametrize("peer", [peer for peer in ("optuna", "sklearn", "ray") if find_spec(peer)])
def test_a_peer_trains_the_same_trials(peer, apart):
    name = f"against-{peer}"
    result = ROWS[name](apart)
    check(name, result)
    assert "all values equal" in result.beside


@pytest.mark.parametrize("name", ["threads", "overhead", "least-overhead", "memory", "retune-minutes", "gain-at-1"])
def test_a_row_goes_through_the_real_flow(name, apart):
    check(name, ROWS[name](apart))


def test_what_goes_wrong_in_a_process_is_told_in_one_sentence(apart):
    with pytest.raises(Failure, match=r"training:prepare ended with 1: .*There is no data source 'nowhere'"):
        apart.child("training:prepare", raw="nowhere", home=str(apart.new_folder("home")), options={})


def test_a_whole_command_leaves_the_registry_and_the_ledger_of_the_shell_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("RETUNER_LEDGER_URL", "postgresql://the-real-one")
    monkeypatch.setenv("RETUNER_MLFLOW_URI", "https://the-real-one")
    monkeypatch.setenv("RETUNER_CACHE", "shared by one call")
    show = "import os; print(*sorted(name for name in os.environ if name.startswith('RETUNER_')))"
    own = {"RETUNER_HOME": str(tmp_path)}
    found = run_command(command=[sys.executable, "-c", show], folder=str(tmp_path), environment=own)
    assert found["out"].split() == ["RETUNER_CACHE", "RETUNER_HOME"]


def test_a_row_that_cannot_write_leaves_the_others_their_table(monkeypatch, tmp_path, capsys):
    def full(bench):
        raise OSError("No space left on device")

    monkeypatch.setitem(ROWS, "answer", full)
    assert main(["answer", "--data", "sample", "--scale", "tiny"]) == 1
    assert "No space left on device" in capsys.readouterr().out


def curve(value: float, trees: int = 900) -> dict:
    steps = range(100, trees + 1, 100)
    reports = [(step, value * step / trees, step / 10) for step in steps]
    return {"parameters": {}, "reports": reports, "cpu": trees / 10 + 10, "value": value, "metrics": {"gain@3": value}}


@pytest.mark.parametrize("rule", ["asha", "none"])
def test_a_replay_stops_the_weak_trials_and_keeps_the_best(tmp_path, rule):
    curves = [{**curve(0.9 - 0.05 * number), "parameters": values(number)} for number in range(9)]
    file = tmp_path / "curves.json"
    file.write_text(json.dumps(curves))
    found = replay(file=str(file), recipe="faq_reference", rule=rule, trials=9, seeds=2, nodes=1)
    if rule == "none":
        assert found["cpu"] == found["trees"] == [0, 0]
    else:
        assert all(0.1 < share < 0.9 for share in found["trees"])
        assert all(0 < cpu < 0.9 for cpu in found["cpu"])
    assert found["lost"] == found["lost_of_tuned"] == [0, 0]


def test_a_trial_that_is_stopped_with_its_last_report_is_not_kept(tmp_path):
    """The stop of a late bloomer is known 0.25 s after its first report, and its second, the last, comes in 0.3 s."""
    curves = [
        {"parameters": values(number), "reports": [(1, 0.5, 1.0), (2, end, 1.3)], "cpu": 2.0, "value": end}
        for number, end in enumerate([0.6] * 8)
    ]
    curves.append({**curves[0], "parameters": values(8), "reports": [(1, 0.1, 1.0), (2, 0.9, 1.3)], "value": 0.9})
    file = tmp_path / "curves.json"
    file.write_text(json.dumps([{**one, "metrics": {"gain@3": one["value"]}} for one in curves]))
    found = replay(file=str(file), recipe="faq_reference", rule="asha", trials=9, seeds=5, nodes=1)
    assert max(found["lost"]) == pytest.approx(30)
    assert max(found["trees"]) == 0  # all made their two reports


def values(number: int) -> dict:
    return {"trees": 900, "ngrams": 1, "match": 2 + number, "min_child_samples": 5, "weighted": True}


def test_the_page_names_what_is_met_missed_and_not_measured():
    outcomes = {
        "fast": Result("a ratio", [3.0, 5.0, 4.0], goal=Goal(">=", 4)),
        "slow": Result("another", [3.0], goal=Goal("<", 2), beside="6 s against 2 s"),
        "broken": "Ray is not there.",
    }
    text = table_block(outcomes, source="sample", conditions="a machine", minutes=2)
    assert "| fast | a ratio | 4 times | >= 4 | met | 3 - 5 | 3 |  |" in text
    assert "| slow | another | 3 times | < 2 | missed | one run | 1 | 6 s against 2 s |" in text
    assert "| broken | Ray is not there. |" in text
    assert "the synthetic sample" in text


def test_a_table_takes_the_place_of_its_last_figures_and_leaves_the_words(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    assert all(has_block(page, name) for name in TABLES)
    write_block(page, "main-job", "figures of May")
    once = page.read_text()
    write_block(page, "main-job", "figures of June")
    assert page.read_text() == once.replace("figures of May", "figures of June")
    assert once.splitlines()[0] == PAGE.read_text().splitlines()[0]
    assert once.count("<!-- ratios -->") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "There is no row 'nothing'"),
        (["answer", "--runs", "0"], "--runs is 0"),
        (["answer", "--data", "/nowhere"], "There is no data in /nowhere"),
        (["--data", "sample", "--page", "/nowhere.md"], "/nowhere.md has no place for the table 'ratios'"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(arguments, sentence, capsys):
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_the_rows_are_listed(capsys):
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(ROWS)
