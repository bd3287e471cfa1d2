"""What a study has spent and may still spend, so that `max_cost` holds whatever happens from now on."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from retuner.cost.spending import Bill, Rates, bill, holds, with_cost
from retuner.cost.usage import Hold, Kept
from retuner.search.records import TrialRecord, now


class Purse:
    """Kept up to date trial by trial. Trials of earlier processes count, also those that a kill left without an end."""

    def __init__(
        self,
        rates: Rates,
        max_cost: float | None,
        trials: Iterable[TrialRecord] = (),
        tries: Iterable[Mapping[str, Any]] = (),
        kept: Iterable[Kept] = (),
    ) -> None:
        self.rates = rates
        self.max_cost = max_cost
        self._trials = {trial.number: trial for trial in trials}
        self._tries = tuple(tries)
        self._kept = tuple(kept)

    def account(self, trial: TrialRecord) -> TrialRecord:
        """Take in a trial as it is now; returns it with the price of its ended attempts."""
        trial = with_cost(trial, self.rates)
        self._trials[trial.number] = trial
        return trial

    def bears(self, attempts: Sequence[int]) -> int:
        """How many jobs of trials may be submitted beside those that are in flight, of these in their order.

        Each is told by the number of its attempt: later ones may be made on dearer nodes.
        """
        if self.max_cost is None or self.rates.usd_per_hour is None:
            return len(attempts)
        # the first ones share nodes with the final training and with what is kept up; the others have one of their own
        shared = 1 + self.rates.kept_nodes
        left = 0.0
        for count in range(1, min(shared, len(attempts)) + 1):
            left = self.max_cost - (self.committed(attempts[:count]).usd or 0.0)
            if left < 0:
                return count - 1
        count = min(shared, len(attempts))
        for attempt in attempts[shared:]:
            left -= self._longest(attempt)
            if left < 0:
                break
            count += 1
        return count

    def committed(self, attempts: Iterable[int] = (), *, final_attempt: int = 1) -> Bill:
        """What was used so far, with all that is in flight, with these attempts more, and then a final training.

        What has not ended counts at its longest.
        """
        present, rates = now().timestamp(), self.rates
        jobs = holds(self._trials.values(), self._tries, rates, at=math.inf)
        jobs += [
            Hold(present, rates.trial_seconds, rates.startup_seconds, is_moved=rates.terms.is_moved(attempt))
            for attempt in attempts
        ]
        last = max([present, *(job.end for job in jobs)])
        is_moved = rates.terms.is_moved(final_attempt)
        jobs.append(Hold(last, rates.final_seconds, rates.startup_seconds, is_final=True, is_moved=is_moved))
        return bill(jobs, self._kept_until(jobs[-1].end, present), rates)

    def _kept_until(self, end: float, present: float) -> list[Kept]:
        """Nodes that are kept up, until the last job has ended; those of a search that is yet to begin as well."""
        open_now = any(math.isinf(one.until) for one in self._kept)
        coming = [] if open_now or not self.rates.kept_nodes else [Kept(self.rates.kept_nodes, present, end)]
        return [replace(one, until=min(one.until, end)) for one in self._kept] + coming

    def _longest(self, attempt: int) -> float:
        """USD that a job on a node of its own costs at most."""
        seconds = self.rates.trial_seconds + self.rates.startup_seconds + self.rates.idle_seconds
        return self.rates.usd(seconds, is_moved=self.rates.terms.is_moved(attempt)) or 0.0
