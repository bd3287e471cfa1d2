"""A study as people look at it, while it runs or after: one pure function over what the ledger holds of it.

The live view on a terminal, the one in a notebook, the JSON and the report show this and nothing else.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from retuner.cost.spending import study_bill, study_rates
from retuner.search.draws import planned_trials
from retuner.search.entries import CLOCK, FINAL, PLAN, SEARCH
from retuner.search.progress import FAILURES, Progress, Scores
from retuner.search.records import Attempt, StudyRecord, TrialRecord
from retuner.search.states import StudyState, TrialState

_NEVER = datetime.max.replace(tzinfo=UTC)


class Phase(StrEnum):
    """Where a study is on its way."""

    SEARCHING = "searching"
    RETRAINING = "retraining the best"
    EVALUATING = "evaluating"
    INTERRUPTED = "interrupted"
    """Not finished, and nobody works on it."""
    FINISHED = "finished"
    FAILED = "failed"

    def is_ended(self) -> bool:
        """Whether nothing more will come, unless somebody resumes it."""
        return self in (Phase.INTERRUPTED, Phase.FINISHED, Phase.FAILED)


@dataclass(frozen=True)
class Failure:
    """A trial that failed."""

    trial: int
    message: str


@dataclass(frozen=True)
class NodeView:
    """One node and what it did for the study."""

    name: str
    trials: int
    """Attempts that have ended on it."""
    busy_seconds: float
    """Wall time of all attempts on it."""
    trial: int | None = None
    """The trial that it is at work on."""
    step: int | None = None
    seconds: float | None = None
    """Wall time of that trial so far."""


@dataclass(frozen=True)
class StudyView:
    """A study at one moment."""

    study: StudyRecord
    phase: Phase
    progress: Progress
    curve: tuple[float, ...]
    """Best value after each trial that completed, in the order of their ends."""
    nodes: tuple[NodeView, ...]
    failures: tuple[Failure, ...]
    """The latest ones, oldest first."""
    started: datetime | None
    """Start of the first attempt."""
    seconds: float
    """Wall time since the study was opened; until its last change where it has ended."""
    seconds_left: float | None
    """Estimate of what the search still takes; None where it is over or nothing is known yet."""
    spent: dict[str, dict[str, float | None]] | None
    """`node_hours` and `usd` so far of each part (work, retrain, startup, idle, total); None where it has no plan."""

    @property
    def ended(self) -> int:
        """Trials that have ended for good."""
        return sum(count for state, count in self.progress.states.items() if state.is_finished())

    @property
    def plan(self) -> dict[str, Any] | None:
        """What it was expected to take, as `retune plan --json` says it."""
        return self.study.stages.get(PLAN)

    @property
    def price(self) -> str | None:
        """Of which day the price is that it is counted with, in words; None where none is known."""
        rates = study_rates(self.study)
        return None if rates is None else rates.origin

    @property
    def metric(self) -> str:
        return self.study.identity.metric

    def to_dict(self) -> dict[str, Any]:
        """One JSON object."""
        progress = self.progress
        return {
            "study": self.study.name,
            "model": self.study.model_name,
            "phase": self.phase.value,
            "message": self.study.message,
            "trials": {"planned": progress.planned, "ended": self.ended, **progress.counters},
            "best": {
                "metric": self.metric,
                "value": progress.best_value,
                "trial": progress.best_trial,
                "params": progress.best_parameters,
            },
            "curve": list(self.curve),
            "nodes": [asdict(node) for node in self.nodes],
            "failures": [asdict(failure) for failure in self.failures],
            "started": self.started.isoformat() if self.started else None,
            "cost": self._cost(),
            "seconds": round(self.seconds, 1),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left, 1),
        }

    def _cost(self) -> dict[str, Any] | None:
        if self.spent is None:
            return None
        planned = None if self.plan is None else {part: self.plan[part] for part in self.spent}
        return {"spent": self.spent, "plan": planned, "price": self.price}


def view_study(study: StudyRecord, trials: Sequence[TrialRecord], *, now: datetime, alive: bool) -> StudyView:
    """The study at the moment `now`; `alive` is whether a process works on it."""
    planned = planned_trials(study.identity.space, study.identity.sampler, study.trials)
    scores = Scores(study.name, planned=planned, direction=study.identity.direction)
    curve: list[float] = []
    failures: list[Failure] = []
    for trial in sorted(trials, key=_ended_at):
        scores.move(None, trial)
        if trial.state is TrialState.COMPLETED and (best := scores.best()["best_value"]) is not None:
            curve.append(best)
        if trial.state is TrialState.FAILED:
            failures.append(Failure(trial.number, trial.message or "unknown"))
    phase = _phase(study, alive=alive)
    last = study.updated if phase.is_ended() else now
    seconds = max(0.0, (last - study.created).total_seconds())
    return StudyView(
        study=study,
        phase=phase,
        progress=scores.snapshot(seconds=seconds, stopped=phase is Phase.INTERRUPTED),
        curve=tuple(curve),
        nodes=_nodes(trials, now=now, alive=not phase.is_ended()),
        failures=tuple(failures[-FAILURES:]),
        started=min((start for trial in trials if (start := _started_at(trial))), default=None),
        seconds=seconds,
        seconds_left=_seconds_left(study, trials, planned=planned, now=now) if phase is Phase.SEARCHING else None,
        spent=_spent(study, trials, at=last),
    )


def _spent(study: StudyRecord, trials: Sequence[TrialRecord], *, at: datetime) -> dict[str, Any] | None:
    used = study_bill(study, trials, at=at)
    return None if used is None else used.document()


def _phase(study: StudyRecord, *, alive: bool) -> Phase:
    if study.state is not StudyState.OPEN:
        return Phase.FINISHED if study.state is StudyState.FINISHED else Phase.FAILED
    if not alive:
        return Phase.INTERRUPTED
    # a study that was resumed for more trials has the stages of its first end already
    searched = study.stages.get(SEARCH, {}).get("trials", 0) >= study.trials
    if not searched:
        return Phase.SEARCHING
    return Phase.EVALUATING if FINAL in study.stages else Phase.RETRAINING


def _started_at(trial: TrialRecord) -> datetime | None:
    return trial.attempts[0].started if trial.attempts else None


def _ended_at(trial: TrialRecord) -> tuple[bool, datetime, int]:
    """Sorts trials by the time of their end; those without one come last."""
    end = trial.attempts[-1].ended if trial.attempts else None
    return (end is None, end or _NEVER, trial.number)


def _seconds(attempt: Attempt, now: datetime) -> float:
    """For how long it has held its node, as far as that is known."""
    if attempt.seconds is not None:
        return attempt.seconds
    start = attempt.began or attempt.started
    return 0.0 if start is None else max(0.0, ((attempt.ended or now) - start).total_seconds())


def _nodes(trials: Sequence[TrialRecord], *, now: datetime, alive: bool) -> tuple[NodeView, ...]:
    """Every node that an attempt was seen on, by name."""
    nodes: dict[str, NodeView] = {}
    for trial in trials:
        for attempt in trial.attempts:
            if attempt.node is None or attempt.never_began:
                continue
            node = nodes.get(attempt.node) or NodeView(attempt.node, trials=0, busy_seconds=0.0)
            at_work = alive and attempt.state is TrialState.RUNNING and attempt.ended is None
            seconds = _seconds(attempt, now) if attempt.ended or at_work else 0.0
            nodes[attempt.node] = NodeView(
                name=node.name,
                trials=node.trials + (attempt.ended is not None),
                busy_seconds=node.busy_seconds + seconds,
                trial=trial.number if at_work else node.trial,
                step=(trial.reports[-1][0] if trial.reports else None) if at_work else node.step,
                seconds=seconds if at_work else node.seconds,
            )
    return tuple(nodes[name] for name in sorted(nodes))


def _seconds_left(study: StudyRecord, trials: Sequence[TrialRecord], *, planned: int, now: datetime) -> float | None:
    """What is left of the trials at the mean wall time of those that ended, on as many nodes as are at work now."""
    ended = [_seconds(trial.attempts[-1], now) for trial in trials if trial.state.is_finished() and trial.attempts]
    if not ended:
        return None
    mean = sum(ended) / len(ended)
    finished = sum(trial.state.is_finished() for trial in trials)
    flights = [trial.attempts[-1] for trial in trials if trial.state is TrialState.RUNNING and trial.attempts]
    under_way = sum(min(mean, _seconds(attempt, now)) for attempt in flights)
    left = max(0.0, (planned - finished) * mean - under_way) / max(1, len(flights))
    return min(left, _budget_left(study, now=now))


def _budget_left(study: StudyRecord, *, now: datetime) -> float:
    """Seconds until `budget.max_minutes` are over: from when the present process began, with those of earlier ones."""
    minutes, clock = study.parameters.get("budget", {}).get("max_minutes"), study.stages.get(CLOCK)
    if minutes is None or clock is None:
        return math.inf
    worked = float(clock["seconds"]) + (now - datetime.fromisoformat(clock["since"])).total_seconds()
    return max(0.0, 60 * float(minutes) - worked)
