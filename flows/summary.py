"""What came of a flow run: one JSON document for programs, one page of Markdown for people."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.runtime import flow_run
from prefect.states import Completed

from retuner.cost.words import PARTS, estimates
from retuner.data.dataset import Dataset
from retuner.registry.registry import ModelVersion
from retuner.search.records import TrialRecord, shown
from retuner.stages.budget import Costs
from retuner.stages.evaluate import Evaluation
from retuner.stages.study import Study
from retuner.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class Document:
    """What `retune run --json` prints, whatever came of the flow run; null for what there was not."""

    dataset: str
    study: str
    flow_run: str
    trials: dict[str, int] | None = None
    best: dict[str, Any] | None = None
    test: dict[str, float] | None = None
    standard_errors: dict[str, float] | None = None
    model: dict[str, Any] | None = None
    decision: str
    report: str | None = None
    ended_early: str | None = None
    cost: dict[str, Any] | None = None
    seconds: dict[str, float] | None = None


class Stopwatch:
    """Wall seconds of the named stages, and of everything as `total`."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._stages: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count what happens inside to `stage`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._stages[stage] = self._stages.get(stage, 0.0) + time.monotonic() - started

    @property
    def seconds(self) -> dict[str, float]:
        total = {"total": time.monotonic() - self._started}
        return {stage: round(seconds, 3) for stage, seconds in (total | self._stages).items()}


@dataclass(frozen=True)
class Summary:
    """The result of a flow run."""

    document: dict[str, Any]
    """JSON object: what `retune run --json` prints."""
    verdict: str
    """Whether the model was promoted, and why."""
    markdown: str

    @property
    def state(self) -> Any:
        """The end of the flow run: the document, and the decision for its message, with why the search ended early."""
        words = filter(None, (self.document["ended_early"], f"The model is {self.verdict}"))
        return Completed(message=" ".join(words), data=self.document)


@dataclass(frozen=True)
class Outcome:
    """What the stages of a study came to."""

    best: TrialRecord
    evaluation: Evaluation
    version: ModelVersion | None
    """The new champion; None where the model was not better."""
    costs: Costs


def summarise(
    bench: Workbench, study: Study, outcome: Outcome, *, report: str | None, seconds: dict[str, float]
) -> Summary:
    """The result of a flow run that went to its end; `report` is where it lies, None where none could be made.

    It asks nobody: a ledger that fails now must not undo what was achieved.
    """
    best, evaluation, version, costs = outcome.best, outcome.evaluation, outcome.version, outcome.costs
    document = Document(
        dataset=study.dataset.name,
        study=study.name,
        flow_run=str(flow_run.id),
        trials=costs.trials,
        best={"params": best.parameters, "value": best.value, "metric": study.record.identity.metric},
        test=evaluation.metrics,
        standard_errors=evaluation.standard_errors,
        model={
            "name": bench.parameters.model_name,
            "version": version.version if version else None,
            "champion": version is not None,
            "uri": version.uri if version else None,
        },
        decision=evaluation.reason,
        report=report,
        ended_early=costs.ended_early,
        cost=costs.document,
        seconds=seconds,
    )
    return Summary(vars(document), evaluation.verdict, _markdown(vars(document), evaluation.verdict))


def nothing_changed(dataset: Dataset, study: str) -> Any:
    """The end of a flow run that would only have repeated a study: Completed, and the document says so."""
    decision = f"Nothing changed since {study}: same data, code and search, of as many trials or more, so none began."
    document = Document(dataset=dataset.name, study=study, flow_run=str(flow_run.id), decision=decision)
    return Completed(name="Unchanged", message=decision, data=vars(document))


def _markdown(document: dict[str, Any], verdict: str) -> str:
    errors = document["standard_errors"]
    trials = document["trials"]
    lines = [
        f"# {document['study']}",
        "",
        f"The model is {verdict}",
        "",
        *([document["ended_early"], ""] if document["ended_early"] else []),
        "| on the test set | value | standard error |",
        "| --- | --- | --- |",
        *(f"| {name} | {value:.4f} | {errors[name]:.4f} |" for name, value in document["test"].items()),
        "",
        f"Best trial on the tune set: {document['best']['metric']} {document['best']['value']:.4f} with "
        + ", ".join(f"`{name}` {shown(value)}" for name, value in document["best"]["params"].items())
        + ".",
        "",
        f"Trials: {trials['asked']} asked, {trials['completed']} completed, {trials['pruned']} pruned, "
        f"{trials['failed']} failed.",
        "",
        *(_cost_lines(document["cost"])),
        f"Dataset `{document['dataset']}`, model {_address(document['model']['uri'])}.",
        "",
        "Seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in document["seconds"].items()) + ".",
    ]
    return "\n".join(lines)


def _address(uri: str | None) -> str:
    """The model version: a link where its registry has a page for it."""
    if uri is None:
        return "not registered"
    return f"<{uri}>" if uri.startswith("https://") else f"`{uri}`"


def _cost_lines(cost: dict[str, Any]) -> list[str]:
    """Plan and actual, part by part; without a price in node hours alone."""
    unit = "node_hours" if cost["usd_per_hour"] is None else "usd"
    head = "node hours" if unit == "node_hours" else "USD"
    plan, actual = cost["plan"], cost["actual"]
    planned = "planned at most" if cost["plan_is_bound"] else "planned"
    rows = [f"| {PARTS[part]} | {_figure(plan[part], unit)} | {_figure(actual[part], unit)} |" for part in actual]
    note = f"What it cost: {estimates(cost['price'])}."
    return [f"| {head} | {planned} | actual |", "| --- | --- | --- |", *rows, "", note, ""]


def _figure(part: dict[str, float] | None, unit: str) -> str:
    return "" if part is None or part[unit] is None else f"{part[unit]:g}"
