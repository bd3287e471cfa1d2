"""Champion against challenger: whether a new model replaces the one in use. docs/gate.md tells users how."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retuner.errors import UserError
from retuner.parameters import Gate
from retuner_training.recipe import Objective

RESAMPLES = 10_000
CONFIDENCE = 0.95
_CHUNK = 4_000_000
"""Row numbers drawn at a time: 16 MB."""
_MULTINOMIAL_COST = 8
"""Drawing one multinomial count takes as long as drawing about this many rows."""
_NOT_METRICS = ("key", "known")


@dataclass(frozen=True)
class Estimate:
    """A mean over rows and its standard error; the latter is None for a single row."""

    mean: float
    standard_error: float | None

    def __str__(self) -> str:
        spread = "" if self.standard_error is None else f" ± {self.standard_error:.4f}"
        return f"{self.mean:.4f}{spread}"


@dataclass(frozen=True)
class Comparison:
    """One metric of both models on the same rows."""

    metric: str
    rows: int
    challenger: Estimate
    champion: Estimate
    difference: float
    """Challenger minus champion, whichever direction is better."""
    interval: tuple[float, float]
    """95 % interval of the difference: percentiles of the paired bootstrap."""


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is promoted, and everything that one needs to check it."""

    promote: bool
    reason: str
    """One sentence for people."""
    objective: Objective
    gate: Gate
    challenger: Estimate | None
    """On all test rows; None where there are none."""
    rows_seen: int = 0
    """Test rows left out because the champion was trained or tuned on them."""
    rows_unpaired: int = 0
    """Test rows left out because only one of the two models scored them."""
    compared: Comparison | None = None
    """The objective on all rows that are left; what the rule looks at."""
    common: Comparison | None = None
    """The same on the rows that both models could have answered right."""
    metrics: tuple[Comparison, ...] = ()
    """Every metric on all rows that are left."""

    def to_dict(self) -> dict[str, Any]:
        """JSON objects, lists and scalars alone."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), default=Gate.model_dump))
        return found


def decide(
    challenger: pd.DataFrame,
    champion: pd.DataFrame | None,
    *,
    objective: Objective,
    seen: Sequence[int] | NDArray[np.uint64] | pd.Series = (),
    gate: Gate = Gate(),
    problem: str | None = None,
    seed: int = 0,
) -> Decision:
    """Compare two models on the test rows.

    `challenger` and `champion` hold one row per test example: a column per metric, `key` (uint64, may repeat) and
    `known` (bool); equal keys are paired in their order. `seen` are the keys that the champion was trained or tuned on.
    A champion of None is one that does not exist, or one that could not be scored, and then `problem` says why.
    """
    fault = _fault(challenger, objective.metric)
    if fault is not None:
        raise UserError(f"The new model cannot be judged: {fault}; correct the recipe's `score`.")
    if challenger.empty:
        reason = "There are no test rows to judge the new model by: it is not promoted."
        return Decision(promote=False, reason=reason, objective=objective, gate=gate, challenger=None)
    own = _estimate(challenger[objective.metric].to_numpy(float))
    if champion is not None:
        problem = _fault(champion, objective.metric)
    if champion is None or problem is not None:
        return _decide_alone(own, problem, objective=objective, gate=gate)
    pairs = _pair(challenger, champion)
    fresh = pairs[~pairs["key"].isin(np.asarray(seen, dtype=np.uint64))]
    decision = Decision(
        promote=False,
        reason=(
            f"Nothing is left to compare the new model and the champion on, so that the champion stays: they share "
            f"{len(pairs)} scored test rows, and the champion was trained or tuned on all of them."
        ),
        objective=objective,
        gate=gate,
        challenger=own,
        rows_seen=len(pairs) - len(fresh),
        rows_unpaired=len(challenger) + len(champion) - 2 * len(pairs),
    )
    return decision if fresh.empty else _decide_on(fresh, decision, seed=seed)


def _decide_on(rows: pd.DataFrame, decision: Decision, *, seed: int) -> Decision:
    """The decision on the paired rows that the champion has not seen."""
    metric = decision.objective.metric
    names = [name.removesuffix("_champion") for name in rows.columns if name.endswith("_champion")]
    table = tuple(_compare(rows, name, seed=seed) for name in names if name not in _NOT_METRICS)
    compared = next(one for one in table if one.metric == metric)
    common = rows[rows["known_challenger"] & rows["known_champion"]]
    promote, verdict = _apply_rule(compared, decision.objective, decision.gate)
    return replace(
        decision,
        promote=promote,
        reason=_sentence(compared, verdict, rows_seen=decision.rows_seen),
        compared=compared,
        common=None if common.empty else _compare(common, metric, seed=seed),
        metrics=table,
    )


def _decide_alone(own: Estimate, problem: str | None, *, objective: Objective, gate: Gate) -> Decision:
    """No champion to compare with: the challenger is held against `min_gain`."""
    if problem is not None and not gate.replace_unloadable:
        reason = (
            f"The champion could not be scored ({problem}), and it stays: "
            "set gate.replace_unloadable to let the new model take its place."
        )
        return Decision(promote=False, reason=reason, objective=objective, gate=gate, challenger=own)
    limit = gate.min_gain
    if objective.direction == "maximize":
        enough, wanted = own.mean >= limit, f"at least {limit:g}"
    else:
        enough, wanted = limit == 0 or own.mean <= limit, f"at most {limit:g}"
    start = "There is no champion yet" if problem is None else f"The champion could not be scored ({problem})"
    link = "and" if enough else "but"
    asked = f", where {wanted} is asked for (gate.min_gain)" if limit or not enough else ""
    reason = f"{start}, {link} the new model's {objective.metric} is {own}{asked}."
    return Decision(promote=enough, reason=reason, objective=objective, gate=gate, challenger=own)


def _apply_rule(compared: Comparison, objective: Objective, gate: Gate) -> tuple[bool, str]:
    """Whether the challenger is far enough ahead, and the words for it."""
    sign = 1 if objective.direction == "maximize" else -1
    low, high = compared.interval
    ahead = sign * compared.difference
    certainly_ahead = low if sign > 0 else -high
    margin = f"a margin of {gate.margin:g}"
    if gate.rule == "better":
        promote = ahead > gate.margin
        verdict = f"which {'is' if promote else 'is not'} better by more than {margin}"
    else:
        promote = certainly_ahead > gate.margin
        answer = "is" if promote else "is not"
        verdict = f"and its 95 % interval, {low:+.4f} to {high:+.4f}, {answer} better throughout by more than {margin}"
    return promote, verdict


def _sentence(compared: Comparison, verdict: str, *, rows_seen: int) -> str:
    left_out = f" ({rows_seen} rows that the champion had seen are left out)" if rows_seen else ""
    return (
        f"On {compared.rows} test rows{left_out} the new model's {compared.metric} is {compared.challenger} and the "
        f"champion's {compared.champion}: the difference is {compared.difference:+.4f}, {verdict}."
    )


def _fault(scores: pd.DataFrame, metric: str) -> str | None:
    """What makes the scores unusable, None where nothing does."""
    missing = [name for name in (metric, *_NOT_METRICS) if name not in scores]
    if missing:
        return f"its scores lack {', '.join(missing)}"
    numbers = scores.drop(columns=list(_NOT_METRICS)).astype(float)
    wrong = int((~np.isfinite(numbers)).any(axis=1).sum())
    return f"{wrong} of its {len(scores)} scored rows hold no finite number" if wrong else None


def _pair(challenger: pd.DataFrame, champion: pd.DataFrame) -> pd.DataFrame:
    """Rows of both models side by side, with the suffixes `_challenger` and `_champion`."""
    both = [
        frame.astype({"key": np.uint64}).assign(nth=frame.groupby("key").cumcount()) for frame in (challenger, champion)
    ]
    return both[0].merge(both[1], on=["key", "nth"], suffixes=("_challenger", "_champion"), validate="one_to_one")


def _compare(pairs: pd.DataFrame, metric: str, *, seed: int) -> Comparison:
    challenger = pairs[f"{metric}_challenger"].to_numpy(float)
    champion = pairs[f"{metric}_champion"].to_numpy(float)
    difference = challenger - champion
    return Comparison(
        metric=metric,
        rows=len(pairs),
        challenger=_estimate(challenger),
        champion=_estimate(champion),
        difference=float(difference.mean()),
        interval=bootstrap_interval(difference, seed=seed),
    )


def _estimate(values: NDArray[np.float64]) -> Estimate:
    spread = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return Estimate(mean=float(values.mean()), standard_error=spread)


def bootstrap_interval(values: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """Percentile interval (Efron) of the mean of `values`, resampled with replacement.

    Where few values are distinct, as with hits and misses, equal ones are drawn together: how often each turns up in
    a resample is multinomial. That takes milliseconds for any number of rows.
    """
    distinct, counts = np.unique(values, return_counts=True)
    draws = np.random.default_rng(seed)
    if _MULTINOMIAL_COST * len(distinct) < len(values):
        means = draws.multinomial(len(values), counts / len(values), size=RESAMPLES) @ distinct / len(values)
    else:
        chunk = max(1, _CHUNK // len(values))
        sizes = [(min(chunk, RESAMPLES - start), len(values)) for start in range(0, RESAMPLES, chunk)]
        rows = (draws.integers(len(values), size=size, dtype=np.int32) for size in sizes)
        means = np.concatenate([values[chosen].mean(axis=1) for chosen in rows])
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)
