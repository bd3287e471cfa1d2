"""What a search may use up, and when it counts as failed."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice, repeat

from retuner.cost.purse import Purse
from retuner.errors import UserError
from retuner.search.failures import failure_classes
from retuner.search.records import TrialRecord, count_states
from retuner.search.states import TrialState

FAILURES_PER_NODE = 3
"""That many failures per node without one success end the search: the next trials would fail as well."""


@dataclass(frozen=True)
class SearchBudget:
    """Limits of one search. Not part of the study's identity: a resumed study may have others."""

    trials: int
    parallel: int | None = None
    """Trials at the same time; None means one per node."""
    minutes: float | None = None
    """Wall time that this process's search may take; then no trial is started and live ones are stopped."""
    min_success_ratio: float = 0.5
    """Least share of completed and pruned trials among those that ended."""
    attempts: int = 3
    """Tries at one trial, where nodes are lost."""
    preemptions: int = 10
    """Further tries at one trial, where nodes are taken away."""
    purse: Purse | None = None
    """What the study may spend; None where nobody counts."""

    def slots(self, nodes: int, *, ahead: int = 0) -> int:
        """Trials that may be in flight on that many nodes, of which each may be given some `ahead` of time."""
        return nodes * (1 + ahead) if self.parallel is None else min(self.parallel, nodes)

    def room(self, free: int, pending: Iterable[TrialRecord]) -> int:
        """How many jobs may be sent to so many free slots: the pending trials first, then trials yet to be asked.

        A pending trial whose attempt has no end is paid for already: its job may be alive.
        """
        if self.purse is None:
            return free
        attempts = [_unpaid_attempt(trial) for trial in islice(chain(pending, repeat(None)), max(free, 0))]
        left, count = self.purse.bears([attempt for attempt in attempts if attempt is not None]), 0
        for attempt in attempts:
            if attempt is not None:
                left -= 1
            if left < 0:
                break
            count += 1
        return count

    def account(self, trial: TrialRecord) -> TrialRecord:
        """Take a trial's new state into the accounts; returns it with what its ended attempts have cost."""
        return trial if self.purse is None else self.purse.account(trial)


def _unpaid_attempt(trial: TrialRecord | None) -> int | None:
    """The number of the attempt that a job would be sent for; None where its job is paid for already."""
    if trial is None or not trial.attempts:
        return 1
    return None if trial.attempts[-1].ended is None else len(trial.attempts) + 1


def check_success(study: str, trials: Iterable[TrialRecord], *, budget: SearchBudget) -> None:
    """Raise UserError with the most common reason where too few of the study's trials succeeded."""
    trials = list(trials)
    states = count_states(trials)
    failed = states.get(TrialState.FAILED, 0)
    succeeded = states.get(TrialState.COMPLETED, 0) + states.get(TrialState.PRUNED, 0)
    ended = failed + succeeded
    if ended == 0:
        raise UserError(
            f"The study {study} ended without one trial: none reported a value before its budget was used up. "
            f"Raise budget.max_minutes or budget.max_cost, or allow fewer steps per trial."
        )
    if succeeded and succeeded >= budget.min_success_ratio * ended:
        return
    most, *_ = failure_classes(trial for trial in trials if trial.state is TrialState.FAILED)
    reason = str(most.attempt.reason).rstrip(".")
    what = f"The study {study} failed: {failed} of {ended} trials failed, {most.count} with: {reason}."
    if not succeeded:
        raise UserError(f"{what} See: retune status {study}")
    raise UserError(
        f"{what} At least a share of {budget.min_success_ratio:g} must succeed: mend that (see: retune status "
        f"{study}), or lower budget.min_success_ratio."
    )
