"""What jobs have cost and may still cost: from the times in the ledger at which they held a node. Pure arithmetic.

A node is started for a job that finds none free, held by one job after the other, and given back once it has been
idle for long enough. All that is between is paid for, whoever is alive on our side.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from heapq import heappop, heappush
from typing import Any

from retuner.search.entries import RATES, TRIES
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

    def usd(self, node_seconds: float) -> float | None:
        """What so many seconds of one node cost."""
        return None if self.usd_per_hour is None else node_seconds / 3600 * self.usd_per_hour


@dataclass(frozen=True)
class Usage:
    """Seconds of nodes, by what they were used for."""

    work: float
    """The trials."""
    retrain: float
    startup: float
    idle: float

    @property
    def total(self) -> float:
        return self.work + self.retrain + self.startup + self.idle

    def document(self, usd_per_hour: float | None) -> dict[str, dict[str, float | None]]:
        """`node_hours` and `usd` of each part and of the `total`, as JSON."""
        parts = {**asdict(self), "total": self.total}
        return {
            name: {
                "node_hours": rounded(seconds / 3600),
                "usd": None if usd_per_hour is None else rounded(seconds / 3600 * usd_per_hour),
            }
            for name, seconds in parts.items()
        }


@dataclass(frozen=True)
class Hold:
    """A job on a node; times in seconds since the epoch."""

    begin: float
    seconds: float
    startup: float
    """What a node that is started for it takes."""
    is_final: bool = False

    @property
    def end(self) -> float:
        return self.begin + self.seconds


def rounded(value: float) -> float:
    """Cents and hundredths, and two digits of what is less than a tenth."""
    return round(value, 2) if abs(value) >= 0.1 else float(f"{value:.2g}")


def holds(trials: Iterable[TrialRecord], tries: Iterable[Mapping[str, Any]], rates: Rates, *, at: float) -> list[Hold]:
    """All jobs of a study. Those without an end have held their node until `at`, or as long as they could at most."""
    found = [_hold(attempt, rates, at) for trial in trials for attempt in trial.attempts if attempt.started]
    for one in tries:
        started = datetime.fromisoformat(one["started"]).timestamp()
        seconds = one["seconds"] if one["seconds"] is not None else min(at - started, rates.final_seconds)
        found.append(Hold(started, seconds, rates.startup_seconds, is_final=True))
    return found


def usage(jobs: Iterable[Hold], *, idle_seconds: float) -> Usage:
    """The node seconds of jobs, with the start and the idle time of the nodes that they needed."""
    jobs = sorted(jobs, key=lambda hold: hold.begin)
    busy: list[float] = []  # when each node that works will be free, soonest first
    free: list[float] = []  # since when each idle node is so, latest last
    startup = idle = 0.0
    for job in jobs:
        while busy and busy[0] <= job.begin:
            free.append(heappop(busy))
        if free and job.begin - free[-1] <= idle_seconds:
            idle += job.begin - free.pop()
        else:
            idle += idle_seconds * len(free)
            free.clear()
            startup += job.startup
        heappush(busy, job.end)
    return Usage(
        work=sum(job.seconds for job in jobs if not job.is_final),
        retrain=sum(job.seconds for job in jobs if job.is_final),
        startup=startup,
        idle=idle + idle_seconds * (len(busy) + len(free)),
    )


def study_usage(study: StudyRecord, trials: Iterable[TrialRecord], *, at: datetime) -> Usage | None:
    """What a study has used by `at`, from its ledger alone; None for a study that never came to its search.

    Trials and the final training are measured. The start of nodes and their idle time follow from the times of the
    jobs and the settings of the cluster.
    """
    rates = study_rates(study)
    if rates is None:
        return None
    jobs = holds(trials, final_tries(study), rates, at=at.timestamp())
    return usage(jobs, idle_seconds=rates.idle_seconds)


def study_rates(study: StudyRecord) -> Rates | None:
    """The rates that the study's last process worked with; None where it did not come so far."""
    noted = study.stages.get(RATES)
    return Rates(**noted) if noted else None


def final_tries(study: StudyRecord) -> list[dict[str, Any]]:
    """The attempts at the study's final training: `job`, `started`, `seconds` and `usd`, the last two None if open."""
    return list(study.stages.get(TRIES, {}).get("tries", ()))


def with_cost(trial: TrialRecord, rates: Rates) -> TrialRecord:
    """The trial with the price of its ended attempts."""
    attempts = tuple(
        replace(one, usd=rates.usd(one.seconds)) if one.seconds is not None and one.usd is None else one
        for one in trial.attempts
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
