"""The report of a study: what is in it, that it needs nothing beside itself, and that it stays small."""

import json
import re
import xml.etree.ElementTree as ElementTree
import zlib
from collections import Counter
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_page import Page
from told_study import COMPLETED, FAILED, IDENTITY, PRUNED, SPACE, told_study, told_trial, told_trials

from retuner.cost.prices import Price, given_price
from retuner.cost.spending import Rates
from retuner.cost.words import PARTS, price_line
from retuner.errors import UserError
from retuner.report import make_report
from retuner.report.contents import gather
from retuner.report.importance import find_importances
from retuner.report.space_figures import log_ticks
from retuner.search.follow import look
from retuner.search.ledger import Ledger
from retuner.search.records import Attempt, TrialRecord
from retuner.search.space import validate_space
from retuner.search.states import StudyState, TrialState
from retuner.settings import Settings, read_settings
from retuner.stages.report import store_report
from retuner.storage.folder import FolderStore
from retuner_training.recipe import BUILT_IN, load_recipe

STATISTICS = {"questions": 230, "duplicates": {"train": 3137, "test": 466}, "faulty": {}}


@pytest.fixture
def settings(tmp_path) -> Settings:
    return read_settings({"RETUNER_HOME": str(tmp_path)})


@pytest.fixture
def ledger(settings):
    with Ledger(settings.ledger_url) as ledger:
        yield ledger


@pytest.fixture
def store(settings) -> FolderStore:
    return FolderStore(settings.store)


def put(store: FolderStore, name: str, document: dict) -> None:
    file = store.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))


def report(study, ledger, store, settings) -> Page:
    return Page(make_report(look(ledger, study.name, settings), ledger, store))


def comparison(metric: str, difference: float) -> dict:
    return {
        "metric": metric,
        "rows": 466,
        "challenger": {"mean": 0.8519, "standard_error": 0.0165},
        "champion": {"mean": 0.8498, "standard_error": None},
        "difference": difference,
        "interval": [difference - 0.013, difference + 0.013],
    }


def evaluation(**fields) -> dict:
    metrics = [comparison("gain@1", 0.0021), comparison("gain@2", 0.02)]
    return {
        "metrics": {"gain@1": 0.8519, "gain@2": 0.9056},
        "standard_errors": {"gain@1": 0.0165, "gain@2": 0.0136},
        "promote": True,
        "reason": "On 466 test rows the new model is better.",
        "champion": "1",
        "decision": {
            "gate": {"rule": "better", "margin": 0.005},
            "rows_seen": 12,
            "compared": metrics[0],
            "common": None,
            "metrics": metrics,
        },
        "mistakes": [
            {
                "given": "how <b>now</b>",
                "expected": "Why & how?",
                "place": 2,
                "preferred": [{"answer": "What?", "probability": 0.6}, {"answer": "Why & how?", "probability": 0.3}],
            }
        ],
        **fields,
    }


@pytest.fixture
def finished(ledger, store):
    """A study that went to its end, on data that is another than that of the study before it."""
    earlier = told_study(ledger, identity=replace(IDENTITY, dataset="dataset-before"))
    ledger.update_study(earlier.name, state=StudyState.FINISHED)
    study = told_study(ledger, trials=40, search={"seed": 7, "space": {"trees": {"low": 40}}})
    ledger.write_trials(study.name, told_trials(40))
    final = {"job": "j", "trial": 0, "parameters": {"trees": 120}, "metrics": {"gain@1": 0.86, "gain@2": 0.9}}
    ledger.write_stage(study.name, "final", final)
    ledger.write_stage(study.name, "made_with", {"commit": "c0ffee", "versions": {"lightgbm": "4.7.0"}})
    ledger.write_stage(study.name, "model", {"version": "2", "uri": "models:/FAQ_ranker/2"})
    ledger.update_study(study.name, state=StudyState.FINISHED, message="decided")
    put(store, f"evaluations/{study.name}.json", evaluation())
    put(store, f"datasets/{IDENTITY.dataset}/manifest.json", {"statistics": STATISTICS})
    put(store, "datasets/dataset-before/manifest.json", {"statistics": {**STATISTICS, "questions": 200}})
    return ledger.study(study.name)


def test_the_report_answers_why_the_result_can_be_trusted(finished, ledger, store, settings):
    words = report(finished, ledger, store, settings).words
    for told in (
        "The new model is promoted On 466 test rows the new model is better.",
        "held against version 1, the champion, on 466 rows",
        "12 rows that the champion had seen are left out",
        "this test set cannot tell the two models apart.",
        "0.8519 ± 0.0165 0.8498 +0.0021 -0.0109 to +0.0151",
        "0.9056 ± 0.0136",
        "40 to 80, step 5",
        "0.01 to 1, logarithmic",
        "one of a, b, None",
        "Registered as models:/FAQ_ranker/2",
        "40 of 40 trials have ended",
        "timeout 2 9, 29 timeout: stopped after 60 s",
        "ValueError 2 19, 39 ValueError: <b>no</b> & 'never'",
        "dataset-0123456789ab , named by its content. The study before",
        "questions 230 200",
        "duplicates, train 3137 3137",
        "how <b>now</b>",
        "expected, in place 2 Why & how?",
        "What? (60 %)",
        'retune run --seed 7 --space \'{"trees": {"low": 40}}\'',
        "c0ffee",
        "lightgbm 4.7.0",
        finished.identity.fingerprint,
    ):
        assert " ".join(told.split()) in words, told


def test_all_figures_are_there_and_each_says_what_it_is(finished, ledger, store, settings):
    page = report(finished, ledger, store, settings)
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == len(set(labels)) == 7
    assert page.tags["figcaption"] == page.tags["figure"] == 7
    svg = [*re.findall(r"<svg.*?</svg>", make_report(look(ledger, finished.name, settings), ledger, store), re.DOTALL)]
    assert [ElementTree.fromstring(one).tag for one in svg]


def test_every_trial_has_its_row(finished, ledger, store, settings):
    html = make_report(look(ledger, finished.name, settings), ledger, store)
    rows = re.findall(r"<tr class=\w+>.*", html)
    assert len(rows) == 40
    assert {re.split("<td[^>]*>", row)[2] for row in rows} == {str(number) for number in range(40)}


@pytest.mark.parametrize("recipe", sorted(BUILT_IN))
def test_no_column_of_the_trials_is_cut_in_a_window_of_a_small_laptop_or_on_paper(
    ledger, store, settings, page, tmp_path, recipe
):
    space = validate_space(load_recipe(recipe).search_space, {})
    study = told_study(ledger, trials=10, identity=replace(IDENTITY, space=space))
    trials = told_trials(10)  # one of them failed, with a message
    ledger.write_trials(study.name, [replace(one, parameters=lowest(space)) for one in map(priced, trials)])
    file = tmp_path / "report.html"
    file.write_text(make_report(look(ledger, study.name, settings), ledger, store))
    page.goto(file.as_uri())
    assert_not_cut(page)
    assert page.locator(".trials").bounding_box()["x"] > 0
    # on paper the table has a page across for itself: A4 without its margins
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1017, "height": 673})
    assert_not_cut(page)
    across = [
        float(width) > float(height) for width, height in re.findall(rb"/MediaBox \[0 0 (\S+) (\S+)\]", page.pdf())
    ]
    assert across.count(True) == 1


def test_no_figure_is_blank_on_paper(finished, ledger, store, settings, page, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(make_report(look(ledger, finished.name, settings), ledger, store))
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 673, "height": 1017})
    figures = page.locator("figure svg").all()
    assert len(figures) == 7
    for figure in figures:
        assert inked(figure.screenshot()) > 0.005, figure.get_attribute("aria-label")
    whole = drawn(page.pdf())
    page.add_style_tag(content="figure svg { opacity: 0 }")
    assert all(inked(figure.screenshot()) == 0 for figure in figures)
    assert drawn(page.pdf()) <= whole - 5 * len(ledger.trials(finished.name)), "a trial is a mark in most figures"


def inked(picture: bytes) -> float:
    """The share of a picture that is not as its corner."""
    pixels = np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(int)
    return float((abs(pixels - pixels[0, 0]).max(axis=2) > 40).mean())


def drawn(pdf: bytes) -> int:
    """Lines and areas that are painted on the pages of a PDF document, by the operators in its streams."""
    streams = re.findall(rb"/Filter /FlateDecode.*?stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return sum(len(re.findall(rb"(?m)^(?:f|f\*|S)$", zlib.decompressobj().decompress(one))) for one in streams)


def assert_not_cut(page) -> None:
    for place in (".trials", "html"):
        assert page.locator(place).evaluate("one => one.scrollWidth - one.clientWidth") == 0, place


def priced(trial: TrialRecord, usd: float = 0.1234) -> TrialRecord:
    """The trial with the price of its attempts."""
    return replace(trial, attempts=tuple(replace(one, usd=usd) for one in trial.attempts))


def test_every_trial_has_its_cost_where_a_price_is_known(ledger, store, settings):
    study = told_study(ledger)
    ledger.write_trials(
        study.name, [priced(told_trial(0)), priced(told_trial(1), 0.00123), priced(told_trial(2), 1e-5), told_trial(3)]
    )
    html = make_report(look(ledger, study.name, settings), ledger, store)
    assert [row.split("<td")[10] for row in re.findall(r"<tr class=\w+>.*", html)] == [
        ">0.12",
        ">0.0012",
        ">&lt; 0.0001",
        ">",
    ]
    assert '<th scope="col" class="number">USD</th>' in html


def test_without_a_price_there_is_no_column_for_it(finished, ledger, store, settings):
    assert ">USD<" not in make_report(look(ledger, finished.name, settings), ledger, store)


def test_the_price_of_dedicated_nodes_is_told_where_attempts_may_move_there(finished, ledger, store, settings):
    told = "Attempts that moved to dedicated nodes cost 0.458 USD an hour."
    price = given_price(0.1)
    stored = {"usd_per_hour": 0.1, "is_low_priority": True, **asdict(price)}
    part = {"node_hours": 4.72, "usd": 2.16}
    ledger.write_stage(finished.name, "plan", {**dict.fromkeys(PARTS, part), "price": stored})
    assert told not in report(finished, ledger, store, settings).words
    rates = Rates(0.1, 0, 0, trial_seconds=600, final_seconds=600, moves_after=2, moved_usd_per_hour=0.458)
    ledger.write_stage(finished.name, "rates", asdict(rates))
    assert told in report(finished, ledger, store, settings).words


def lowest(space: dict) -> dict:
    return {name: one["choices"][0] if "choices" in one else one["low"] for name, one in space.items()}


def test_nothing_is_fetched_to_read_it(finished, ledger, store, settings):
    html = make_report(look(ledger, finished.name, settings), ledger, store)
    page = Page(html)
    assert page.tags["script"] == page.tags["link"] == page.tags["iframe"] == 0
    fetched = [value for tag, name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset", "data")]
    assert [value for value in fetched if not value.startswith(("#", "data:"))] == []
    assert not re.search(r"url\((?!#)|@import", html)


def test_ids_that_are_used_are_there_and_no_section_has_two(finished, ledger, store, settings):
    page = report(finished, ledger, store, settings)
    ids = Counter(value for tag, name, value in page.attributes if name == "id" and tag == "section")
    assert set(ids.values()) == {1}
    links = {value[1:] for tag, name, value in page.attributes if tag == "a" and name == "href"}
    assert links <= set(ids)


def test_a_report_of_ten_thousand_trials_stays_under_three_megabytes(ledger, store, settings):
    study = told_study(ledger, trials=10_000)
    ledger.write_trials(study.name, told_trials(10_000, steps=20))
    html = make_report(look(ledger, study.name, settings), ledger, store)
    assert len(html.encode()) < 3_000_000
    assert len(re.findall(r"<tr class=\w", html)) == 10_000


def test_a_study_without_a_decision_says_where_it_stands(ledger, store, settings):
    study = told_study(ledger)
    ledger.write_trials(study.name, [told_trial(0), told_trial(1, PRUNED, 0.2)])
    words = report(study, ledger, store, settings).words
    assert "No decision yet Nothing was decided: 2 of 8 trials have ended, and nobody works on the study" in words
    assert "Champion and challenger" not in words


def test_a_study_of_failures_alone_says_why(ledger, store, settings):
    study = told_study(ledger)
    ledger.write_trials(study.name, [told_trial(n, FAILED, None, message=f"ValueError: {n}") for n in range(4)])
    ledger.update_study(study.name, state=StudyState.FAILED, message="Too few trials succeeded.")
    words = report(study, ledger, store, settings).words
    assert "The study failed Too few trials succeeded." in words
    assert "ValueError 4 0, 1, 2 ValueError: 3" in words
    assert "No trial has completed yet." in words


def test_a_lost_attempt_counts_as_it_does_in_retune_status(ledger, store, settings):
    study, trial = told_study(ledger), told_trial(1)
    lost = Attempt("s-t0001-a1", TrialState.LOST, reason="lost: its worker n2 died")
    ledger.write_trials(study.name, [replace(trial, attempts=(lost, *trial.attempts))])
    assert "lost 1 1 lost: its worker n2 died" in report(study, ledger, store, settings).words


@pytest.mark.parametrize("trials", [[told_trial(0)], [told_trial(0), told_trial(1)], [told_trial(0, PRUNED, 0.3)]])
def test_few_and_equal_trials_are_no_fault(ledger, store, settings, trials):
    study = told_study(ledger)
    ledger.write_trials(study.name, trials)
    assert "Every trial" in report(study, ledger, store, settings).words


def test_a_dataset_that_is_gone_is_one_sentence(finished, ledger, store, settings):
    (store.root / f"datasets/{IDENTITY.dataset}/manifest.json").unlink()
    words = report(finished, ledger, store, settings).words
    assert f"The dataset {IDENTITY.dataset} is no longer in the store, so that nothing can be said about it." in words


def test_an_empty_study_is_refused_in_one_sentence(ledger, store, settings):
    study = told_study(ledger)
    with pytest.raises(UserError, match=f"The study {study.name} has no trial yet"):
        store_report(study.name, ledger, store, settings)
    assert not (store.root / "reports").exists()


def test_parameters_of_another_version_leave_the_command_out(ledger, store, settings):
    study = told_study(ledger, budget={"pints": 3})
    ledger.write_trials(study.name, [told_trial(0)])
    words = report(study, ledger, store, settings).words
    assert "those of another version of retuner" in words


def test_the_cost_is_shown_beside_its_plan(finished, ledger, store, settings):
    price = Price(0.458, 0.0916, True, date="2026-06-18", source="dated table", vm_size="D4", region="eastus2")
    stored = {"usd_per_hour": 0.458, "is_low_priority": False, **asdict(price)}
    part = {"node_hours": 4.72, "usd": 2.16}
    ledger.write_stage(finished.name, "plan", {**dict.fromkeys(PARTS, part), "price": stored})
    words = report(finished, ledger, store, settings).words
    assert price_line(price, low_priority=False) in words
    assert "trials 4.72 2.16" in words
    rates = Rates(usd_per_hour=0.458, startup_seconds=0, idle_seconds=0, trial_seconds=600, final_seconds=600)
    ledger.write_stage(finished.name, "rates", asdict(rates))
    spent = look(ledger, finished.name, settings).spent["work"]
    words = report(finished, ledger, store, settings).words
    assert f"trials 4.72 {spent['node_hours']:g} 2.16 {spent['usd']:g}" in words


def test_the_stored_report_is_replaced_when_it_is_made_again(finished, ledger, store, settings):
    location, page = store_report(finished.name, ledger, store, settings)
    assert Path(location).read_text() == page
    Path(location).write_text("old")
    assert Path(store_report(finished.name, ledger, store, settings)[0]).read_text().startswith("<!doctype html>")


def test_importances_compare_trials_at_a_step_that_all_have_reached(ledger):
    study = told_study(ledger)
    trials = [
        replace(
            told_trial(n, COMPLETED if n < 3 else PRUNED, n / 20, steps=4 if n < 3 else 2 + n % 2),
            parameters={"trees": 60, "rate": 10 ** (n / 6 - 2), "kind": "a", "fixed": 1},
        )
        for n in range(12)
    ]
    found = find_importances(study, trials)
    assert found.basis == "12 trials at step 20, which all of them reached"
    assert max(found.shares, key=found.shares.get) == "rate"
    assert sum(found.shares.values()) == pytest.approx(1)
    assert set(found.shares) == set(SPACE) - {"fixed"}


def test_importances_are_not_told_of_too_little(ledger):
    assert find_importances(told_study(ledger), [told_trial(0), told_trial(1)]) is None


def test_less_is_better_where_the_objective_says_so(ledger, store, settings):
    study = told_study(ledger, identity=replace(IDENTITY, direction="minimize"))
    ledger.write_trials(study.name, [told_trial(0, value=0.9), told_trial(1, value=0.1)])
    contents = gather(look(ledger, study.name, settings), ledger, store)
    assert contents.best.number == 1
    assert [trial.number for trial in contents.trials] == [1, 0]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.1, 0.4, [0.1, 0.2]), (5, 200, [10, 100]), (1e-4, 1, [1e-4, 1e-2, 1]), (4, 31, [5, 10, 20]), (6, 9, [6, 9])],
)
def test_a_logarithmic_axis_has_few_round_numbers(low, high, ticks):
    assert log_ticks(low, high) == pytest.approx(ticks)
