"""How far a search is: counts, best value and recent failures, kept up to date at the cost of one trial a change."""

from bisect import insort
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retuner.search.records import TrialRecord, counters, is_better, is_scored, place
from retuner.search.states import Direction, TrialState

FAILURES = 5
"""Messages of failed trials that are kept: the latest."""
LEADERS = 20
"""Trials that the running leaderboard holds, however many there are."""


@dataclass(frozen=True)
class Progress:
    """A search at one moment. Immutable: it may be handed to other threads."""

    study: str
    planned: int
    """Trials that the search makes at most."""
    states: Mapping[TrialState, int]
    best_trial: int | None
    best_value: float | None
    best_parameters: Mapping[str, Any] | None
    seconds: float
    """Wall time of this process's search."""
    failures: tuple[str, ...]
    """Messages of the latest failed trials, oldest first."""
    stopped: bool
    """Whether the stop event ended it; the study can then be resumed."""
    leaders: tuple[TrialRecord, ...] = ()
    """The best trials so far, best first: at most `LEADERS`."""

    @property
    def counters(self) -> dict[str, int]:
        """Asked, running, completed, pruned and failed trials."""
        return counters(self.states)


class Scores:
    """The running totals behind `Progress`."""

    def __init__(self, study: str, *, planned: int, direction: Direction) -> None:
        self.planned = planned
        self.states: Counter[TrialState] = Counter()
        self._failures: deque[str] = deque(maxlen=FAILURES)
        self._study = study
        self._direction = direction
        self._best: TrialRecord | None = None
        self._leaders: list[TrialRecord] = []

    def move(self, before: TrialRecord | None, after: TrialRecord) -> None:
        """Count a trial's new state; `before` is None for a trial that was not counted yet."""
        if before is not None:
            self.states[before.state] -= 1
        self.states[after.state] += 1
        if after.state is TrialState.FAILED:
            self._failures.append(after.message or "unknown")
        if is_scored(after):
            insort(self._leaders, after, key=lambda trial: place(trial, self._direction))
            del self._leaders[LEADERS:]
        if after.state is not TrialState.COMPLETED or after.value is None:
            return
        if is_better(after.value, self._best.value if self._best else None, direction=self._direction):
            self._best = after

    def best(self) -> dict[str, Any]:
        """Number and value of the best completed trial, as plain data."""
        best = self._best
        return {"best_trial": best.number if best else None, "best_value": best.value if best else None}

    def snapshot(self, *, seconds: float, stopped: bool) -> Progress:
        """The totals as they are now."""
        best = self._best
        return Progress(
            study=self._study,
            planned=self.planned,
            states={state: count for state, count in self.states.items() if count},
            best_trial=best.number if best else None,
            best_value=best.value if best else None,
            best_parameters=dict(best.parameters) if best else None,
            seconds=seconds,
            failures=tuple(self._failures),
            stopped=stopped,
            leaders=tuple(self._leaders),
        )
