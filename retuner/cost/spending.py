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
class Terms:
    """What bound the jobs that a process of a study started, until the next process came with other limits."""

    startup_seconds: float
    idle_seconds: float
    trial_seconds: float
    final_seconds: float
    moves_after: int | None
    until: float = math.inf
    """Seconds since the epoch."""

    def is_moved(self, attempt: int) -> bool:
        """Whether the attempt of that number, counted from 1, is made on a dedicated node."""
        return self.moves_after is not None and attempt > self.moves_after


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
    earlier: tuple[Terms, ...] = ()
    """Of earlier processes of the study, oldest first: what they started is counted by them."""

    @property
    def terms(self) -> Terms:
        """What binds jobs that are started from now on."""
        return Terms(self.startup_seconds, self.idle_seconds, self.trial_seconds, self.final_seconds, self.moves_after)

    def continuing(self, before: "Rates | None", *, since: float) -> "Rates":
        """The rates of a process that goes on with a study `since` then, so that what was spent does not shrink.

        All of a study is counted at one price, the dearer one; what was started before keeps its own terms.
        """
        if before is None:
            return self
        closed = () if before.terms == self.terms else (replace(before.terms, until=since),)
        return replace(
            self,
            usd_per_hour=_dearer(self.usd_per_hour, before.usd_per_hour),
            moved_usd_per_hour=_dearer(self.moved_usd_per_hour, before.moved_usd_per_hour),
            origin=self.origin if (self.usd_per_hour or 0) > (before.usd_per_hour or 0) else before.origin,
            earlier=(*before.earlier, *closed),
        )

    def terms_at(self, time: float) -> Terms:
        """Those that bind a job which was started then."""
        return next((one for one in self.earlier if time < one.until), self.terms)

    def idle_after(self, started: float, end: float) -> float:
        """How long a node idles at most after a job of these times; its cluster may be set anew while it does."""
        longest = 0.0
        for one in (*self.earlier, self.terms):
            if one.until > started:
                longest = max(longest, one.idle_seconds)
                if end + longest < one.until:
                    break
        return longest

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
        _hold(attempt, number, rates, at)
        for trial in trials
        for number, attempt in enumerate(trial.attempts, start=1)
        if attempt.started
    ]
    return [*found, *(_final_hold(one, rates, at) for one in tries)]


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
    if not noted:
        return None
    return Rates(**{**noted, "earlier": tuple(Terms(**one) for one in noted.get("earlier", ()))})


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
    """The trial with the price of its ended attempts, none of which held a node for longer than it could."""
    attempts = tuple(
        _priced(one, number, rates) if one.seconds is not None and one.usd is None else one
        for number, one in enumerate(trial.attempts, start=1)
    )
    return trial if attempts == trial.attempts else replace(trial, attempts=attempts)


def _priced(attempt: Attempt, number: int, rates: Rates) -> Attempt:
    terms = rates.terms_at(attempt.started.timestamp()) if attempt.started else rates.terms
    # whoever saw its end may have been away for hours
    seconds = min(attempt.seconds or 0.0, terms.trial_seconds)
    return replace(attempt, seconds=seconds, usd=rates.usd(seconds, is_moved=terms.is_moved(number)))


def _hold(attempt: Attempt, number: int, rates: Rates, at: float) -> Hold:
    assert attempt.started is not None
    started = attempt.started.timestamp()
    terms = rates.terms_at(started)
    if attempt.ended is None:
        begin, startup = (attempt.began or attempt.started).timestamp(), terms.startup_seconds
        seconds = min(max(at - begin, 0), terms.trial_seconds)
    else:
        seconds = min(attempt.seconds or 0.0, terms.trial_seconds)
        begin = attempt.ended.timestamp() - seconds
        startup = min(max(begin - started, 0), terms.startup_seconds)
    idle = rates.idle_after(started, begin + seconds)
    return Hold(begin, seconds, startup, is_moved=terms.is_moved(number), idle=idle)


def _final_hold(one: Mapping[str, Any], rates: Rates, at: float) -> Hold:
    started = datetime.fromisoformat(one["started"]).timestamp()
    terms = rates.terms_at(started)
    seconds = one["seconds"] if one["seconds"] is not None else min(at - started, terms.final_seconds)
    is_moved, idle = terms.is_moved(attempt_of(one["job"])), rates.idle_after(started, started + seconds)
    return Hold(started, seconds, terms.startup_seconds, is_final=True, is_moved=is_moved, idle=idle)
