"""HyperDrive's median stopping rule."""

import math

import numpy as np

from retuner.search.states import Direction


class MedianRule:
    """Stops a trial whose best value is worse than the median of all trials' running averages.

    As Azure ML HyperDrive defines it: one interval is one report; the rule looks at every multiple of `interval`
    that is at least `delay`; at the N-th report a trial is stopped when its best value so far is worse than the
    median, over all trials, of their averages over the reports 1..N. All trials means all: running ones too, so
    that the first concurrent wave can be stopped, and those that ended earlier, with the reports that they have.
    """

    def __init__(self, direction: Direction, *, delay: int, interval: int) -> None:
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._delay = delay
        self._interval = interval
        self._columns: dict[int, int] = {}
        self._sums: dict[int, float] = {}
        self._counts: dict[int, int] = {}
        self._best: dict[int, float] = {}
        # averages[n, i]: the i-th trial's average over its reports 1..n+1, or over all that it has
        self._averages = np.empty((0, 0))

    def report(self, trial: int, value: float) -> bool:
        """Take in the next report of a trial; whether the trial shall stop now. NaN is worse than every number."""
        value = value * self._sign if math.isfinite(value) else -math.inf
        count = self._counts[trial] = self._counts.get(trial, 0) + 1
        column = self._columns.setdefault(trial, len(self._columns))
        self._sums[trial] = self._sums.get(trial, 0.0) + value
        self._best[trial] = max(self._best.get(trial, value), value)
        self._reserve(count, column + 1)
        # rounding may lift the average of equal values above them, and a trial would be worse than itself
        self._averages[count - 1 :, column] = min(self._sums[trial] / count, self._best[trial])
        if count < self._delay or count % self._interval:
            return False
        if self._best[trial] == -math.inf:
            return True
        median = np.median(self._averages[count - 1, : len(self._columns)])
        return bool(self._best[trial] < median)

    def _reserve(self, reports: int, trials: int) -> None:
        """Room for that many; doubled when full, with every trial's last average carried on."""
        rows, columns = self._averages.shape
        if reports <= rows and trials <= columns:
            return
        more_rows = max(rows, 8) if reports <= max(rows, 8) else 2 * reports
        more_columns = max(columns, 64) if trials <= max(columns, 64) else 2 * trials
        grown = np.zeros((more_rows, more_columns))
        grown[:rows, :columns] = self._averages
        if rows:
            grown[rows:, :columns] = self._averages[-1]
        self._averages = grown
