"""What jobs have cost and may still cost: from the times in the ledger at which they held a node. Pure arithmetic."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from retuner.compute.azure_ml_requests import attempt_of
from retuner.cost.usage import UNUSED, Hold, Kept, Usage, usage
from retuner.search.entries import KEPT_UP, RATES, TRIES
from retuner.search.records import Attempt, StudyRecord, TrialRecord


@dataclass(frozen=True)
class Rates:
    """What a job costs on the compute target, and the most that one can cost."""

    usd_per_hour: float | None
    """Of one node; None where no price is known."""
    startup_seconds: float
    """From the wish for a node to its first job."""
    idle_seconds: float
    """After its last job, before it is given back."""
    trial_seconds: float
    """Longest that the job of a trial can hold its node."""
    final_seconds: float
    """The same of the final training."""
    moves_after: int | None = None
    """Attempts at a job before it moves to dedicated nodes; None where it never does."""
    moved_usd_per_hour: float | None = None
    """Of one node that it moves to."""
    kept_nodes: int = 0
    """Nodes that are kept up while the study lasts, whether they have work or not."""
    origin: str | None = None
    """Of which day the price is, in words; None where none is known."""

    def not_below(self, earlier: "Rates | None") -> "Rates":
        """The rates with no price below the earlier one: all of a study is counted at one, and may not shrink."""
        if earlier is None:
            return self
        return replace(
            self,
            usd_per_hour=_dearer(self.usd_per_hour, earlier.usd_per_hour),
            moved_usd_per_hour=_dearer(self.moved_usd_per_hour, earlier.moved_usd_per_hour),
            origin=self.origin if (self.usd_per_hour or 0) > (earlier.usd_per_hour or 0) else earlier.origin,
        )

    def is_moved(self, attempt: int) -> bool:
        """Whether the attempt of that number, counted from 1, is made on a dedicated node."""
        return self.moves_after is not None and attempt > self.moves_after

    def usd(self, node_seconds: float, *, is_moved: bool = False) -> float | None:
        """What so many seconds of one node cost."""
        price = self.moved_usd_per_hour if is_moved else self.usd_per_hour
        return None if price is None else node_seconds / 3600 * price


@dataclass(frozen=True)
class Bill:
    """What was used on the study's own nodes and on those that attempts moved to, with its price."""

    rates: Rates
    own: Usage
    moved: Usage = UNUSED

    @property
    def usage(self) -> Usage:
        """Of all nodes."""
        return self.own + self.moved

    @property
    def usd(self) -> float | None:
        """The total; None where no price is known."""
        return self._usd("total")

    def document(self) -> dict[str, dict[str, float | None]]:
        """`node_hours` and `usd` of each part and of the `total`, as JSON."""
        found = {}
        for name in (*asdict(self.own), "total"):
            usd = self._usd(name)
            hours = rounded(getattr(self.usage, name) / 3600)
            found[name] = {"node_hours": hours, "usd": None if usd is None else rounded(usd)}
        return found

    def _usd(self, part: str) -> float | None:
        own = self.rates.usd(getattr(self.own, part))
        moved = self.rates.usd(getattr(self.moved, part), is_moved=True)
        return None if own is None else own + (moved or 0.0)


def _dearer(one: float | None, other: float | None) -> float | None:
    return max((price for price in (one, other) if price is not None), default=None)


def rounded(value: float) -> float:
    """Cents and hundredths, and two digits of what is less than a tenth."""
    return round(value, 2) if abs(value) >= 0.1 else float(f"{value:.2g}")


def holds(trials: Iterable[TrialRecord], tries: Iterable[Mapping[str, Any]], rates: Rates, *, at: float) -> list[Hold]:
    """All jobs of a study. Those without an end have held their node until `at`, or as long as they could at most."""
    found = [
        replace(_hold(attempt, rates, at), is_moved=rates.is_moved(number))
        for trial in trials
        for number, attempt in enumerate(trial.attempts, start=1)
        if attempt.started
    ]
    for one in tries:
        started = datetime.fromisoformat(one["started"]).timestamp()
        seconds = one["seconds"] if one["seconds"] is not None else min(at - started, rates.final_seconds)
        is_moved = rates.is_moved(attempt_of(one["job"]))
        found.append(Hold(started, seconds, rates.startup_seconds, is_final=True, is_moved=is_moved))
    return found


def bill(jobs: Iterable[Hold], kept: Iterable[Kept], rates: Rates) -> Bill:
    """What jobs and kept nodes cost. No job finds a free node on the other of the two clusters."""
    jobs = list(jobs)
    own = usage((job for job in jobs if not job.is_moved), idle_seconds=rates.idle_seconds, kept=kept)
    return Bill(rates, own, usage((job for job in jobs if job.is_moved), idle_seconds=rates.idle_seconds))


def study_bill(study: StudyRecord, trials: Iterable[TrialRecord], *, at: datetime) -> Bill | None:
    """What a study has used by `at`, from its ledger alone; None for a study that never came to its search.

    Trials and the final training are measured. The start of nodes and their idle time follow from the times of the
    jobs and the settings of the cluster.
    """
    rates = study_rates(study)
    if rates is None:
        return None
    present = at.timestamp()
    kept = [replace(one, until=min(one.until, present)) for one in kept_nodes(study)]
    return bill(holds(trials, final_tries(study), rates, at=present), kept, rates)


def study_rates(study: StudyRecord) -> Rates | None:
    """The rates that the study's last process worked with; None where it did not come so far."""
    noted = study.stages.get(RATES)
    return Rates(**noted) if noted else None


def final_tries(study: StudyRecord) -> list[dict[str, Any]]:
    """The attempts at the study's final training: `job`, its times, `seconds` and `usd`, the last two None if open."""
    return list(study.stages.get(TRIES, {}).get("tries", ()))


def kept_nodes(study: StudyRecord) -> list[Kept]:
    """The nodes that were kept up for the study; without an end where they still are."""
    return [
        Kept(
            one["nodes"],
            datetime.fromisoformat(one["since"]).timestamp(),
            datetime.fromisoformat(one["until"]).timestamp() if one["until"] else math.inf,
        )
        for one in study.stages.get(KEPT_UP, {}).get("spans", ())
    ]


def with_cost(trial: TrialRecord, rates: Rates) -> TrialRecord:
    """The trial with the price of its ended attempts."""
    attempts = tuple(
        replace(one, usd=rates.usd(one.seconds, is_moved=rates.is_moved(number)))
        if one.seconds is not None and one.usd is None
        else one
        for number, one in enumerate(trial.attempts, start=1)
    )
    return trial if attempts == trial.attempts else replace(trial, attempts=attempts)


def _hold(attempt: Attempt, rates: Rates, at: float) -> Hold:
    assert attempt.started is not None
    started = attempt.started.timestamp()
    if attempt.ended is None:
        began = (attempt.began or attempt.started).timestamp()
        return Hold(began, min(max(at - began, 0), rates.trial_seconds), rates.startup_seconds)
    seconds = min(attempt.seconds or 0.0, rates.trial_seconds)
    began = attempt.ended.timestamp() - seconds
    return Hold(began, seconds, min(max(began - started, 0), rates.startup_seconds))
