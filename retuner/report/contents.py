"""What a report says of one study: gathered from the ledger and the store, before anything is drawn."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from retuner.cost.prices import Price
from retuner.cost.spending import study_rates
from retuner.cost.words import PARTS, price_line
from retuner.errors import UserError
from retuner.parameters.flags import command_of
from retuner.parameters.values import parse_parameters
from retuner.search.entries import ALL_TRIALS, FINAL, MADE_WITH, MODEL, SEARCH
from retuner.search.failures import FailureClass, failure_classes
from retuner.search.ledger import Ledger
from retuner.search.records import StudyRecord, TrialRecord, best_trial, is_scored, ranked
from retuner.search.view import Phase, StudyView
from retuner.storage.names import dataset_folder, evaluation_file
from retuner.storage.store import Store
from retuner_training.dataset import MANIFEST


@dataclass(frozen=True)
class Result:
    """One metric of the study's models."""

    metric: str
    best: str
    """Of the best trial on the tune set."""
    tuned: str
    """Of the final model on the tune set."""
    tested: str
    """Of the final model on the test set."""


@dataclass(frozen=True)
class Tuned:
    """One hyperparameter."""

    name: str
    searched: str
    """Its range in words."""
    best: Any
    final: Any


@dataclass(frozen=True)
class Costs:
    """What the study was expected to take, and what it took."""

    rows: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...]
    """A part in words, the total last; its plan and its actual, each with `node_hours` and `usd`."""
    price: str
    """The price of a node in one sentence, with its date."""
    units: Mapping[str, str]
    """What there are figures in: `node_hours`, and `usd` where a price is known; with their words."""
    is_bound: bool
    """Whether the plan says what it may take at most, not what is expected."""


@dataclass(frozen=True)
class Statistics:
    """A dataset beside the one of the study before."""

    name: str
    rows: tuple[tuple[str, Any, Any], ...]
    """Name of a figure, its value, and its value in the dataset before."""
    last_study: str | None
    last_name: str | None
    problem: str | None = None
    """Why there are no figures."""

    @property
    def differs(self) -> bool:
        """Whether there was another dataset before."""
        return self.last_name is not None and self.last_name != self.name


@dataclass(frozen=True)
class Contents:
    """Everything that the page shows."""

    view: StudyView
    trials: tuple[TrialRecord, ...]
    """Scored ones first, best first."""
    best: TrialRecord | None
    headline: str
    """The decision in one sentence, or where the study stands."""
    promoted: bool | None
    """None where nothing was decided yet."""
    evaluation: Mapping[str, Any]
    """As it lies in the store; empty where the study was not evaluated."""
    results: tuple[Result, ...]
    tuned: tuple[Tuned, ...]
    failures: tuple[FailureClass, ...]
    costs: Costs | None
    """None where the study has no plan."""
    dataset: Statistics
    command: str | None
    """What repeats the study; None where its parameters are those of another version of retuner."""
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = "unknown"

    @property
    def study(self) -> StudyRecord:
        return self.view.study

    @cached_property
    def is_priced(self) -> bool:
        """Whether the price of a node was known to any trial."""
        return any(trial.usd is not None for trial in self.trials)

    @property
    def registered(self) -> str | None:
        """The address of the model in the registry; None where the study made no champion."""
        model: Mapping[str, str] = self.study.stages.get(MODEL, {})
        return model.get("uri")

    @property
    def limit(self) -> str | None:
        """What ended the search before all its trials were tried; None where nothing did."""
        ended_by = self.study.stages.get(SEARCH, {}).get("ended_by", ALL_TRIALS)
        return None if ended_by == ALL_TRIALS else str(ended_by)

    @property
    def compared(self) -> Sequence[Mapping[str, Any]]:
        """Every metric of challenger and champion; empty where there was no champion."""
        found: Sequence[Mapping[str, Any]] = self.evaluation.get("decision", {}).get("metrics", ())
        return found

    @property
    def mistakes(self) -> Sequence[Mapping[str, Any]]:
        """Examples of the test set that the challenger got wrong; empty where its recipe shows none."""
        found: Sequence[Mapping[str, Any]] = self.evaluation.get("mistakes", ())
        return found


def gather(view: StudyView, ledger: Ledger, store: Store) -> Contents:
    """Read what belongs to the study. Raises UserError where it has no trial yet."""
    study = view.study
    trials = ledger.trials(study.name)
    if not trials:
        raise UserError(f"The study {study.name} has no trial yet, so there is nothing to report: see retune watch.")
    best = best_trial(trials, study.identity.direction)
    evaluation = read_json(store, evaluation_file(study.name)) or {}
    made_with = study.stages.get(MADE_WITH, {})
    return Contents(
        view=view,
        trials=tuple(_in_order(trials, study)),
        best=best,
        headline=_headline(view, evaluation),
        promoted=evaluation.get("promote"),
        evaluation=evaluation,
        results=_results(study, best, evaluation),
        tuned=_tuned(study, best),
        failures=tuple(failure_classes(trials)),
        costs=_costs(view),
        dataset=_statistics(study, ledger, store),
        command=_command(study),
        versions=made_with.get("versions", {}),
        commit=made_with.get("commit", "unknown"),
    )


def read_json(store: Store, name: str) -> dict[str, Any] | None:
    """The JSON file of that name; None where the store has none."""
    if not store.exists(name):
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.json"
        store.get(name, file)
        found: dict[str, Any] = json.loads(file.read_text())
    return found


def _in_order(trials: Sequence[TrialRecord], study: StudyRecord) -> list[TrialRecord]:
    return [*ranked(trials, study.identity.direction), *(trial for trial in trials if not is_scored(trial))]


def _headline(view: StudyView, evaluation: Mapping[str, Any]) -> str:
    if evaluation:
        return str(evaluation["reason"])
    if view.study.message:
        return view.study.message
    done = f"{view.ended} of {view.progress.planned} trials have ended"
    if view.phase is Phase.INTERRUPTED:
        return f"Nothing was decided: {done}, and nobody works on the study; retune run --resume {view.study.name}"
    return f"Nothing is decided yet: the study is {view.phase}, and {done}."


def _results(study: StudyRecord, best: TrialRecord | None, evaluation: Mapping[str, Any]) -> tuple[Result, ...]:
    """The metrics in the order in which the models gave them; empty where no model has any."""
    final = study.stages.get(FINAL, {})
    tested = evaluation.get("metrics", {})
    searched = best.metrics if best else {}
    return tuple(
        Result(
            metric,
            best=_estimate(metric, searched, best.standard_errors if best else {}),
            tuned=_estimate(metric, final.get("metrics", {}), final.get("standard_errors", {})),
            tested=_estimate(metric, tested, evaluation.get("standard_errors", {})),
        )
        for metric in tested or final.get("metrics", {}) or searched
    )


def _estimate(metric: str, means: Mapping[str, float], errors: Mapping[str, float]) -> str:
    if metric not in means:
        return ""
    return f"{means[metric]:.4f}" + (f" ± {errors[metric]:.4f}" if metric in errors else "")


def _tuned(study: StudyRecord, best: TrialRecord | None) -> tuple[Tuned, ...]:
    final = study.stages.get(FINAL, {}).get("parameters", {})
    searched = best.parameters if best else {}
    names = [*study.identity.space, *(name for name in final if name not in study.identity.space)]
    return tuple(
        Tuned(name, _range(study.identity.space.get(name)), searched.get(name), final.get(name)) for name in names
    )


def _range(dimension: Mapping[str, Any] | None) -> str:
    if dimension is None:
        return "not searched"
    if dimension["type"] == "categorical":
        return "one of " + ", ".join(str(choice) for choice in dimension["choices"])
    step = f", step {dimension['step']}" if dimension["step"] else ""
    return f"{dimension['low']:g} to {dimension['high']:g}{step}{', logarithmic' if dimension['log'] else ''}"


def _costs(view: StudyView) -> Costs | None:
    plan, spent = view.plan, view.spent
    if plan is None:
        return None
    rows = tuple((words, plan[part], (spent or {}).get(part, {})) for part, words in PARTS.items())
    units = {"node_hours": "node hours", **({"usd": "USD"} if plan["total"]["usd"] is not None else {})}
    price = f"{_price(plan['price'])}{_moved_price(view.study)}"
    return Costs(rows, price, units, is_bound=plan.get("is_bound", False))


def _price(price: Mapping[str, Any] | None) -> str:
    if price is None:
        return "No price of a node is known."
    known = Price(**{field.name: price[field.name] for field in fields(Price)})
    return price_line(known, low_priority=price["is_low_priority"])


def _moved_price(study: StudyRecord) -> str:
    rates = study_rates(study)
    if rates is None or rates.moves_after is None or rates.moved_usd_per_hour is None:
        return ""
    return f" Attempts that moved to dedicated nodes cost {rates.moved_usd_per_hour:g} USD an hour."


def _statistics(study: StudyRecord, ledger: Ledger, store: Store) -> Statistics:
    name = study.identity.dataset
    before = [one.study for one in ledger.studies(study.model_name) if one.study.created < study.created]
    last = before[0] if before else None
    manifest = read_json(store, f"{dataset_folder(name)}/{MANIFEST}")
    last_name = last.identity.dataset if last else None
    if manifest is None:
        problem = f"The dataset {name} is no longer in the store, so that nothing can be said about it."
        return Statistics(name, (), last.name if last else None, last_name, problem)
    then = read_json(store, f"{dataset_folder(last_name)}/{MANIFEST}") if last_name else None
    figures, earlier = flatten(manifest["statistics"]), flatten((then or {}).get("statistics", {}))
    rows = tuple((figure, figures.get(figure), earlier.get(figure)) for figure in {**figures, **earlier})
    return Statistics(name, rows, last.name if last else None, last_name)


def flatten(figures: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested figures by their path in words: `duplicates, train`."""
    flat: dict[str, Any] = {}
    for name, value in figures.items():
        words = f"{prefix}{name.replace('_', ' ')}"
        flat.update(flatten(value, f"{words}, ") if isinstance(value, Mapping) else {words: value})
    return flat


def _command(study: StudyRecord) -> str | None:
    try:
        return command_of(parse_parameters(study.parameters))
    except UserError:
        return None
