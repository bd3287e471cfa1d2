"""What a study has spent and may still spend, so that `max_cost` holds whatever happens from now on."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from retuner.cost.spending import Hold, Rates, Usage, holds, usage, with_cost
from retuner.search.records import TrialRecord, now


class Purse:
    """Kept up to date trial by trial. Trials of earlier processes count, also those that a kill left without an end."""

    def __init__(
        self,
        rates: Rates,
        max_cost: float | None,
        trials: Iterable[TrialRecord] = (),
        tries: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.rates = rates
        self.max_cost = max_cost
        self._trials = {trial.number: trial for trial in trials}
        self._tries = tuple(tries)
        self._affordable: int | None = None

    def account(self, trial: TrialRecord) -> TrialRecord:
        """Take in a trial as it is now; returns it with the price of its ended attempts."""
        trial = with_cost(trial, self.rates)
        self._trials[trial.number] = trial
        self._affordable = None
        return trial

    @property
    def affordable(self) -> int:
        """How many jobs of trials may be submitted beside those that are in flight."""
        if self._affordable is None:
            self._affordable = self._count()
        return self._affordable

    def committed(self, *, more_trials: int = 0) -> Usage:
        """Node seconds used so far, with all that is in flight, so many trials more, and then a final training.

        What has not ended counts at its longest.
        """
        present = now().timestamp()
        jobs = holds(self._trials.values(), self._tries, self.rates, at=math.inf)
        jobs += [Hold(present, self.rates.trial_seconds, self.rates.startup_seconds)] * more_trials
        last = max([present, *(job.end for job in jobs)])
        jobs.append(Hold(last, self.rates.final_seconds, self.rates.startup_seconds, is_final=True))
        return usage(jobs, idle_seconds=self.rates.idle_seconds)

    def _count(self) -> int:
        if self.max_cost is None or self.rates.usd_per_hour is None:
            return 1 << 30
        left = 3600 * self.max_cost / self.rates.usd_per_hour - self.committed(more_trials=1).total
        further = self.rates.trial_seconds + self.rates.startup_seconds + self.rates.idle_seconds
        return 0 if left < 0 else 1 + math.floor(left / further)
