"""`retune status`: the studies in the ledger, newest first, or one of them whole; also while it is being worked on."""

import argparse
import json
from typing import Any

from cli.output import show
from retuner.settings import read_settings


def execute(options: argparse.Namespace) -> int:
    """Print one line, or one JSON object, a study; with a name, that study and its trials."""
    from retuner.search.ledger import Ledger

    with Ledger(read_settings().ledger_url) as ledger:
        if options.study:
            return _show_study(ledger, options)
        studies = [_line(summary) for summary in ledger.studies()]
    if options.json:
        show(json.dumps(studies))
    elif studies:
        _print_table(studies)
    else:
        show("No study yet: start one with: retune run")
    return 0


def _line(summary: Any) -> dict[str, Any]:
    return {
        "study": summary.study.name,
        "state": summary.study.state.value,
        "trials": summary.counters,
        "best": summary.best,
        "updated": summary.study.updated.isoformat(),
    }


def _print_table(studies: list[dict[str, Any]]) -> None:
    counters = list(studies[0]["trials"])
    table = _table(["study", "state", *counters, "best", "updated"], right={*counters, "best"})
    for study in studies:
        counts = [str(study["trials"][name]) for name in counters]
        table.add_row(study["study"], study["state"], *counts, _number(study["best"]), study["updated"][:19])
    _print(table)


def _show_study(ledger: Any, options: argparse.Namespace) -> int:
    """The study, its trials, and what went wrong: how often, why, what is next."""
    from retuner.search.failures import failure_classes, in_words
    from retuner.search.records import count_states, counters

    study, trials = ledger.study(options.study), ledger.trials(options.study)
    failures = failure_classes(trials)
    if options.json:
        document = {
            "study": study.name,
            "state": study.state.value,
            "message": study.message,
            "trials": counters(count_states(trials)),
            "updated": study.updated.isoformat(),
            "each": [_trial(trial) for trial in trials],
            "failures": [{"class": f.name, "count": f.count, "trial": f.trial, "next": f.what_next} for f in failures],
        }
        show(json.dumps(document))
        return 0
    show(f"{study.name} is {study.state.value}{_what_is_next(study)}")
    table = _table(["trial", "state", "value", "attempts", "seconds", "node", "message"], right={"trial", "value"})
    for trial in trials:
        node = (trial.attempts[-1].node if trial.attempts else None) or ""
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        counts = (str(len(trial.attempts)), seconds)
        table.add_row(str(trial.number), trial.state.value, _number(trial.value), *counts, node, trial.message or "")
    _print(table)
    if failures:
        show(f"\n{in_words(failures)}")
    return 0


def _what_is_next(study: Any) -> str:
    """Why it ended as it did; of an open study who goes on with it."""
    from retuner.search.lease import is_held
    from retuner.search.states import StudyState

    if study.state is not StudyState.OPEN:
        return f": {study.message}" if study.message else ""
    if is_held(study.model_name, read_settings()):
        return ", and its model is being worked on"
    return f"; continue with: retune run --resume {study.name}"


def _trial(trial: Any) -> dict[str, Any]:
    attempts = [
        {"job": one.job, "state": one.state.value, "node": one.node, "reason": one.reason, "log": one.log}
        for one in trial.attempts
    ]
    fields = {"trial": trial.number, "state": trial.state.value, "value": trial.value, "seconds": trial.seconds}
    return {**fields, "message": trial.message, "params": trial.parameters, "attempts": attempts}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _table(columns: list[str], *, right: set[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column != "message")
    return table


def _print(table: Any) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    console.width = max(console.width, 120)  # names are never cut, also where the output is not a terminal
    console.print(table)
