"""The live study in memory: who is tried next, and who is stopped. The one module that knows Optuna.

It is used through ask and tell, and is rebuilt from the ledger. Not thread-safe: the coordinator alone uses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retuner.errors import UserError
from retuner.search.draws import Draw, grid_draw, qmc_draw, random_draw
from retuner.search.entries import WARM_START
from retuner.search.space import Space
from retuner.search.states import Direction, TrialState
from retuner.search.stopping import MedianRule

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

    from retuner.search.records import StudyRecord

REDUCTION_FACTOR = 3
"""ASHA keeps the best third at each rung."""

_DRAWS: dict[str, Callable[[Space, int], Draw]] = {"random": random_draw, "qmc": qmc_draw, "grid": grid_draw}


@dataclass(frozen=True)
class SearchPlan:
    """How a study searches: everything that decides which trials it makes and stops."""

    space: Space
    direction: Direction = "maximize"
    sampler: str = "tpe"
    stopping: str = "asha"
    delay: int = 1
    """No trial is stopped before it has reported this many times."""
    interval: int = 1
    """The median rule looks at every multiple of this number of reports."""
    seed: int = 0
    first: tuple[dict[str, Any], ...] = ()
    """Hyperparameters of the first trials, where the sampler is TPE; the others draw by number alone."""


def plan_of(study: StudyRecord) -> SearchPlan:
    """How the study searches."""
    identity = study.identity
    return SearchPlan(
        space=identity.space,
        direction=identity.direction,
        sampler=identity.sampler,
        stopping=identity.stopping,
        delay=identity.delay,
        interval=identity.interval,
        seed=identity.seed,
        first=tuple(study.stages.get(WARM_START, {}).get("trials", ())),
    )


class LiveStudy:
    """Trials numbered 0, 1, 2, ... Reports are counted, not measured in steps: the n-th report is interval n."""

    def __init__(self, plan: SearchPlan) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan = plan
        self._draw = _draw(plan)
        self._distributions = {name: distribution_of(dimension) for name, dimension in plan.space.items()}
        self._rule = _rule(plan)
        self._study = optuna.create_study(direction=plan.direction, pruner=_pruner(plan))
        self._open: dict[int, Trial] = {}
        self._reported: dict[int, int] = {}
        self._told = 0

    @property
    def learns(self) -> bool:
        """Whether a trial that is asked for later knows more; else its number alone decides."""
        return self._draw is None

    def ask(self, parameters: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """The next trial: its number and hyperparameters. Given `parameters` are taken as they are (resume)."""
        number = self._told
        if parameters is None and self._draw is not None:
            parameters = self._draw(number)
        elif parameters is None and number < len(self._plan.first):
            parameters = self._plan.first[number]
        if parameters is not None:
            self._study.enqueue_trial(parameters)
        else:
            self._study.sampler = _tpe(self._plan.seed, number)
        trial = self._study.ask(self._distributions)
        self._told += 1
        self._open[trial.number] = trial
        return trial.number, dict(trial.params)

    def report(self, number: int, index: int, value: float) -> bool:
        """Take in a trial's report number `index` (from 1); whether the trial shall stop now.

        A second attempt at the trial reports anew: what was reported already is passed over.
        """
        if index <= self._reported.get(number, 0):
            return False
        self._reported[number] = index
        trial, value = self._open[number], value if math.isfinite(value) else math.nan  # which is all a ledger keeps
        trial.report(value, index)
        if self._rule is not None:
            return self._rule.report(number, value)
        return trial.should_prune()

    def tell(self, number: int, state: TrialState, value: float | None = None) -> None:
        """End a trial. A pruned trial's value is its last report."""
        trial = self._open.pop(number)
        self._reported.pop(number, None)
        completed = state is TrialState.COMPLETED
        self._study.tell(trial, value if completed else None, optuna_state(state))

    def restore(
        self, parameters: dict[str, Any], state: TrialState, *, value: float | None, reports: list[float]
    ) -> int:
        """Add a trial that ended in an earlier process; returns its number."""
        number = self._told
        if self._rule is not None:
            for report in reports:
                self._rule.report(number, report)
        self._study.add_trial(self._frozen(parameters, state, value, reports))
        self._told += 1
        return number

    def _frozen(
        self, parameters: dict[str, Any], state: TrialState, value: float | None, reports: list[float]
    ) -> FrozenTrial:
        from optuna.trial import create_trial

        last = reports[-1] if reports and math.isfinite(reports[-1]) else None
        return create_trial(
            state=optuna_state(state),
            value={TrialState.COMPLETED: value, TrialState.PRUNED: last}.get(state),
            params=parameters,
            distributions=self._distributions,
            intermediate_values=dict(enumerate(reports, start=1)),
            system_attrs=_rungs(reports, self._plan.delay) if self._plan.stopping == "asha" else {},
        )


def _draw(plan: SearchPlan) -> Draw | None:
    if plan.sampler == "tpe":
        return None
    if plan.sampler not in _DRAWS:
        raise UserError(f"There is no sampler '{plan.sampler}': use one of tpe, {', '.join(_DRAWS)}.")
    return _DRAWS[plan.sampler](plan.space, plan.seed)


def _rule(plan: SearchPlan) -> MedianRule | None:
    if plan.stopping not in ("median", "asha", "none"):
        raise UserError(f"There is no stopping rule '{plan.stopping}': use one of asha, median, none.")
    if plan.stopping != "median":
        return None
    return MedianRule(plan.direction, delay=plan.delay, interval=plan.interval)


def _pruner(plan: SearchPlan) -> Any:
    from optuna.pruners import NopPruner, SuccessiveHalvingPruner

    if plan.stopping != "asha":
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=plan.delay, reduction_factor=REDUCTION_FACTOR)


def _tpe(seed: int, number: int) -> Any:
    """A fresh sampler for each trial, seeded by its number: a resumed study does not repeat its first trials."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))


def distribution_of(dimension: dict[str, Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension["type"] == "categorical":
        return CategoricalDistribution(dimension["choices"])
    low, high, log, step = (dimension[field] for field in ("low", "high", "log", "step"))
    if dimension["type"] == "int":
        return IntDistribution(low, high, log=log, step=step or 1)
    return FloatDistribution(low, high, log=log, step=step)


def optuna_state(state: TrialState) -> Any:
    from optuna.trial import TrialState as OptunaState

    return {TrialState.COMPLETED: OptunaState.COMPLETE, TrialState.PRUNED: OptunaState.PRUNED}.get(
        state, OptunaState.FAIL
    )


def _rungs(reports: list[float], delay: int) -> dict[str, float]:
    """The values with which a trial passed ASHA's rungs; Optuna's rule compares later trials with them.

    A report that is no number stops a trial, and passes none.
    """
    rungs: dict[str, float] = {}
    while (at := delay * REDUCTION_FACTOR ** len(rungs)) <= len(reports) and math.isfinite(reports[at - 1]):
        rungs[f"completed_rung_{len(rungs)}"] = reports[at - 1]
    return rungs
