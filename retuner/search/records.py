"""What the ledger holds, as plain records: studies, trials and their attempts."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from retuner.search.states import Direction, StudyState, TrialState

NOT_BEGUN = "not begun"
"""The failure class of an attempt that never began."""


def now() -> datetime:
    """The present time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class StudyIdentity:
    """All that decides what a study's trials mean. Budgets, nodes and the target's settings are not in it."""

    dataset: str
    recipe: str
    snapshot: str
    metric: str
    direction: Direction
    space: dict[str, dict[str, Any]]
    sampler: str
    stopping: str
    delay: int
    interval: int
    seed: int

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON (sorted keys, no blanks), in hexadecimal digits."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: "StudyIdentity") -> list[str]:
        """The fields in which `other` differs, in words: `seed (0, now 1)`, and which hyperparameters of the space."""
        mine, theirs = _flat(self), _flat(other)
        names = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
        return [f"{name} ({mine.get(name, 'not there')}, now {theirs.get(name, 'not there')})" for name in names]


def _flat(identity: StudyIdentity) -> dict[str, Any]:
    fields = asdict(identity)
    return {**{f"space.{name}": values for name, values in fields.pop("space").items()}, **fields}


@dataclass(frozen=True)
class StudyRecord:
    """One study. `target`, `stages` and `parameters` are JSON objects of the flow's own making."""

    name: str
    model_name: str
    number: int
    identity: StudyIdentity
    trials: int
    """Trials asked for."""
    state: StudyState = StudyState.OPEN
    parameters: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    """Where it runs, and what was there before: written before anything is scaled."""
    stages: dict[str, Any] = field(default_factory=dict)
    """What each finished stage left behind, by the stage's name."""
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    message: str | None = None


@dataclass(frozen=True)
class Attempt:
    """One try at a trial: one job on the compute target."""

    job: str
    state: TrialState
    started: datetime | None = None
    """When it was submitted."""
    ended: datetime | None = None
    node: str | None = None
    reason: str | None = None
    """Why we asked it to stop (pruned, minutes, stopped), or why it failed or was lost."""
    log: str | None = None
    """The last lines that its job wrote, where it failed or was lost."""
    began: datetime | None = None
    """When it was first seen on a node."""
    seconds: float | None = None
    """For how long it held its node, once it has ended."""
    usd: float | None = None
    """What that cost, where the price of a node is known."""

    @property
    def never_began(self) -> bool:
        """Whether it was lost where it waited behind another on its node. Nothing went wrong with it."""
        return failure_class(self.reason) == NOT_BEGUN


@dataclass(frozen=True)
class TrialRecord:
    """One set of hyperparameters and how it went."""

    number: int
    state: TrialState
    parameters: dict[str, Any] = field(default_factory=dict)
    value: float | None = None
    """The objective: of the finished training, or the last report of a pruned trial."""
    metrics: dict[str, float] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    reports: tuple[tuple[int, float], ...] = ()
    """(step, value) of the last attempt."""
    attempts: tuple[Attempt, ...] = ()
    seconds: float | None = None
    """Wall time of the last attempt's training."""
    message: str | None = None

    @property
    def usd(self) -> float | None:
        """What its ended attempts have cost, where the price of a node was known."""
        known = [attempt.usd for attempt in self.attempts if attempt.usd is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class StudySummary:
    """A line of `retune status`."""

    study: StudyRecord
    states: dict[TrialState, int]
    best: float | None

    @property
    def counters(self) -> dict[str, int]:
        return counters(self.states)


_SCORED = (TrialState.COMPLETED, TrialState.PRUNED)
_RUNNING = (TrialState.ASKED, TrialState.SUBMITTED, TrialState.RUNNING, TrialState.LOST)


def counters(states: Mapping[TrialState, int]) -> dict[str, int]:
    """The counters of the JSON output. `asked` counts trials, not attempts; cancelled trials are in it alone."""
    return {
        "asked": sum(states.values()),
        "running": sum(states.get(state, 0) for state in _RUNNING),
        "completed": states.get(TrialState.COMPLETED, 0),
        "pruned": states.get(TrialState.PRUNED, 0),
        "failed": states.get(TrialState.FAILED, 0),
    }


def node_seconds(*, started: datetime, began: datetime | None, ended: datetime, trained: float | None) -> float:
    """Seconds for which a job held its node: from when it was seen on one to when its end was seen.

    Where the training's own time is known, at least that, and a minute more at most: whoever looked may have been
    away in between. A job that nobody saw on a node, and that left no result, held none.
    """
    observed = (ended - (began or started)).total_seconds()
    if trained is None:
        return observed if began else 0.0
    return max(trained, min(observed, trained + 60))


def count_states(trials: Iterable[TrialRecord]) -> dict[TrialState, int]:
    """Number of trials in each state that occurs."""
    return dict(Counter(trial.state for trial in trials))


def is_better(value: float, than: float | None, *, direction: Direction) -> bool:
    """Whether `value` beats `than`; everything beats None."""
    return than is None or (value > than if direction == "maximize" else value < than)


def is_scored(trial: TrialRecord) -> bool:
    """Whether it has a place among the others: it ended with a value."""
    return trial.state in _SCORED and trial.value is not None


def place(trial: TrialRecord, direction: Direction) -> tuple[int, float, int]:
    """Where a scored trial stands, for sorting: best first, completed ones before pruned ones, ties by number."""
    sign = -1 if direction == "maximize" else 1
    return (_SCORED.index(trial.state), sign * (trial.value or 0.0), trial.number)


def ranked(trials: Iterable[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """Trials with a value in the order of their places."""
    return sorted(filter(is_scored, trials), key=lambda trial: place(trial, direction))


def best_trial(trials: Iterable[TrialRecord], direction: Direction) -> TrialRecord | None:
    """The best completed trial; a pruned one where none completed; None where no trial has a value."""
    best = ranked(trials, direction)
    return best[0] if best else None


def failure_class(message: str | None) -> str:
    """The kind of a failure: what stands before the first colon of its message."""
    return (message or "unknown").partition(":")[0].strip()


def shown(value: object) -> str:
    """A hyperparameter's value as people read it: four digits of a fraction."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_words(parameters: Mapping[str, object]) -> str:
    """Hyperparameters as people read them: `trees 75, learning_rate 0.1709`."""
    return ", ".join(f"{name} {shown(value)}" for name, value in parameters.items())
