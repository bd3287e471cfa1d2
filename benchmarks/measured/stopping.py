"""What early stopping saves: trials trained to their end once, then stopped in replay by the search's own rules."""

import heapq
import json
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from benchmarks.measured.training import numbered_job
from retuner.search.space import validate_space
from retuner.search.states import TrialState
from retuner.search.study import LiveStudy, SearchPlan
from retuner_training.recipe import load_recipe
from retuner_training.run import run_job

STOP_SECONDS = 0.25
"""From a report to the stop being known in the training: the coordinator looks at least every 0.2 s."""


@dataclass(frozen=True)
class Curve:
    """A trial that was trained to its end."""

    parameters: dict[str, Any]
    reports: list[tuple[int, float, float]]
    """Trees, value, and CPU seconds of the trial until then."""
    cpu: float
    value: float
    metrics: dict[str, float]


def train_curves(*, dataset: str, recipe: str, trials: int, folder: str) -> list[dict[str, Any]]:
    """The curves of the first `trials` random trials."""
    job = {"dataset": dataset, "recipe": recipe, "seed": 0, "folder": folder}
    return [_train_curve(number, job) for number in range(trials)]


def _train_curve(number: int, job: dict[str, Any]) -> dict[str, Any]:
    task = numbered_job(number, **job)
    load_recipe(task.recipe)
    reports, started = [], time.process_time()

    def send(step: int, value: float) -> None:
        reports.append((step, value, time.process_time() - started))

    result = run_job(task, send=send)
    if result.value is None:
        raise RuntimeError(f"{task.name} {result.outcome}: {result.reason}")
    return vars(Curve(dict(task.parameters), reports, result.cpu_seconds, result.value, result.metrics))


def replay(*, file: str, recipe: str, rule: str, trials: int, seeds: int, nodes: int) -> dict[str, Any]:
    """For each seed, `trials` of the curves in the JSON `file` in random order, on `nodes` nodes, under `rule`.

    Shares of trees and of CPU that were not spent; points of gain@3 and of the tuned value (gain@1) by which the best
    trial is worse than without stopping; the share of the CPU that comes after the first reports, the
    most that stops can save. Delay and interval are the flow's defaults.
    """
    curves = [Curve(**fields) for fields in json.loads(Path(file).read_text())]
    space = validate_space(load_recipe(recipe).search_space, {})
    plan = SearchPlan(space=space, sampler="random", stopping=rule)
    outcomes = []
    for seed in range(seeds):
        drawn = Random(seed).sample(curves, min(trials, len(curves)))
        outcomes.append(_outcome(drawn, _Replay(drawn, plan).run(nodes)))
    return {name: [outcome[name] for outcome in outcomes] for name in outcomes[0]}


class _End(NamedTuple):
    """How a trial ended: a stop may still come with the last of its reports."""

    reports: int
    is_completed: bool


class _Replay:
    """The events of a search on a clock of CPU seconds: a node takes the next trial when its last has ended."""

    def __init__(self, curves: list[Curve], plan: SearchPlan) -> None:
        self._curves = curves
        self._live = LiveStudy(plan)
        self._events: list[tuple[float, int, int]] = []
        self._began: dict[int, float] = {}
        self._stops: dict[int, float] = {}
        self._ends: dict[int, _End] = {}

    def run(self, nodes: int) -> list[_End]:
        """How each trial ended."""
        for _ in range(min(nodes, len(self._curves))):
            self._start(0.0)
        while self._events:
            when, number, index = heapq.heappop(self._events)
            if not self._advance(when, number, index) and len(self._began) < len(self._curves):
                self._start(when)
        return [self._ends[number] for number in range(len(self._curves))]

    def _start(self, when: float) -> None:
        number, _ = self._live.ask(self._curves[len(self._began)].parameters)
        self._began[number] = when
        self._expect(number, 0)

    def _expect(self, number: int, index: int) -> None:
        curve = self._curves[number]
        cpu = curve.reports[index][2] if index < len(curve.reports) else curve.cpu
        heapq.heappush(self._events, (self._began[number] + cpu, number, index))

    def _advance(self, when: float, number: int, index: int) -> bool:
        """Take in a trial's next report, or its end; whether it goes on."""
        curve = self._curves[number]
        is_completed = index == len(curve.reports)
        self._ends[number] = _End(min(index + 1, len(curve.reports)), is_completed)
        if is_completed:
            self._live.tell(number, TrialState.COMPLETED, curve.value)
            return False
        if self._live.report(number, index + 1, curve.reports[index][1]):
            self._stops.setdefault(number, when + STOP_SECONDS)
        if when >= self._stops.get(number, float("inf")):
            self._live.tell(number, TrialState.PRUNED, curve.reports[index][1])
            return False
        self._expect(number, index + 1)
        return True


def _outcome(curves: list[Curve], ends: list[_End]) -> dict[str, float]:
    ended = list(zip(curves, ends, strict=True))
    trees = sum(curve.reports[end.reports - 1][0] for curve, end in ended)
    cpu = sum(curve.cpu if end.is_completed else curve.reports[end.reports - 1][2] for curve, end in ended)
    best = max(curves, key=lambda curve: curve.value)
    kept = max((curve for curve, end in ended if end.is_completed), key=lambda curve: curve.value)
    return {
        "trees": 1 - trees / sum(curve.reports[-1][0] for curve in curves),
        "cpu": 1 - cpu / sum(curve.cpu for curve in curves),
        "within_reach": 1 - sum(curve.reports[0][2] for curve in curves) / sum(curve.cpu for curve in curves),
        "lost": 100 * (best.metrics["gain@3"] - kept.metrics["gain@3"]),
        "lost_of_tuned": 100 * (best.value - kept.value),
    }
