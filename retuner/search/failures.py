"""What went wrong in a search: the last words of each failed or lost attempt, and what an operator is told of them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from retuner.compute.target import ComputeTarget
from retuner.errors import RetunerError
from retuner.search.records import Attempt, TrialRecord, failure_class
from retuner.search.states import TrialState
from retuner_training.redaction import redact

LOG_LINES = 20
"""Kept of each job that failed or was lost."""
SHOWN_LINES = 5
EXAMPLES = 3
"""Trials that are named for each class."""
_WRONG = (TrialState.FAILED, TrialState.LOST)
_NEXT = {
    "timeout": "a trial out of its seconds is not tried again: raise budget.seconds_per_trial, or narrow search.space",
    "lost": "a lost attempt is followed by another, up to three; then look at the node",
    "preempted": "a node that was taken away is no fault: another attempt, up to compute.preemptions",
    "stopped": "its job ended with the process that had begun it: another attempt, which counts towards no limit",
    "no value": "a trial without a number is not tried again: look at its hyperparameters",
}
_NEXT_OF_CODE = "what the training raises is not tried again: correct the recipe, the data or search.space"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FailureClass:
    """All failed and lost attempts of one kind."""

    name: str
    """The exception's class as the training raised it, or one of `_NEXT`."""
    count: int
    trial: int
    """One of the trials that it befell: the latest."""
    attempt: Attempt
    """The latest."""
    examples: tuple[int, ...]
    """The first trials that it befell."""
    what_next: str


def keep_last_words(trial: TrialRecord, study: str, target: ComputeTarget) -> TrialRecord:
    """The record of a trial that has just ended; where it failed or was lost, with the last lines that its job wrote.

    They are kept at once: when somebody asks for them, the job's node and its log may be gone.
    """
    if trial.state not in _WRONG or not trial.attempts:
        return trial
    attempt = trial.attempts[-1]
    try:
        words = target.log_tail(attempt.job)
    except RetunerError as error:  # how it ended is known, and the study goes on
        words = f"(The log could not be read: {error})"
    lines = redact(words).strip().splitlines()[-LOG_LINES:]
    attempt = replace(attempt, log="\n".join(lines) or None)
    if trial.state is TrialState.LOST and not attempt.never_began:
        next_one = len(trial.attempts) + 1
        about = {"study": study, "trial": trial.number, "attempt": next_one - 1, "state": "lost"}
        words = "%s trial %d %s; attempt %d follows"
        _log.warning(words, study, trial.number, trial.message, next_one, extra=about)
    return replace(trial, attempts=(*trial.attempts[:-1], attempt))


def failure_classes(trials: Iterable[TrialRecord]) -> list[FailureClass]:
    """Failed and lost attempts by class, the most frequent first."""
    found: dict[str, list[tuple[int, Attempt]]] = {}
    for trial in trials:
        for attempt in trial.attempts:
            if attempt.state in _WRONG and not attempt.never_began:
                found.setdefault(failure_class(attempt.reason), []).append((trial.number, attempt))
    classes = [
        FailureClass(name, len(ones), *ones[-1], examples=_first(ones), what_next=_NEXT.get(name, _NEXT_OF_CODE))
        for name, ones in found.items()
    ]
    return sorted(classes, key=lambda one: (-one.count, one.name))


def _first(ones: list[tuple[int, Attempt]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(number for number, _ in ones))[:EXAMPLES]


def in_words(classes: Iterable[FailureClass]) -> str:
    """How often, why, what is next, and the last log lines of one attempt each; empty where nothing went wrong."""
    return "\n".join(line for one in classes for line in _lines(one))


def _lines(one: FailureClass) -> list[str]:
    node = f" on {one.attempt.node}" if one.attempt.node else ""
    log = (one.attempt.log or "").splitlines()[-SHOWN_LINES:]
    return [
        f"{one.count} x {one.attempt.reason}; the latest is trial {one.trial} ({one.attempt.job}{node})",
        *(f"    {line}" for line in log),
        f"  next: {one.what_next}",
    ]
