"""Seconds of nodes, by what they were used for. Pure arithmetic.

A node is started for a job that finds none free, held by one job after the other, and given back once it has been
idle for long enough. All that is between is paid for, whoever is alive on our side.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from heapq import heappop, heappush
from itertools import pairwise


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

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))


UNUSED = Usage(0, 0, 0, 0)


@dataclass(frozen=True)
class Hold:
    """A job on a node; times in seconds since the epoch."""

    begin: float
    seconds: float
    startup: float
    """What a node that is started for it takes."""
    is_final: bool = False
    is_moved: bool = False
    """Whether it is an attempt that was moved to dedicated nodes."""

    @property
    def end(self) -> float:
        return self.begin + self.seconds


@dataclass(frozen=True)
class Kept:
    """Nodes that a cluster keeps up whether they have work or not; times in seconds since the epoch."""

    nodes: int
    since: float
    until: float


def usage(jobs: Iterable[Hold], *, idle_seconds: float, kept: Iterable[Kept] = ()) -> Usage:
    """The node seconds of jobs on one cluster, with the start and the idle time of its nodes."""
    jobs = sorted(jobs, key=lambda hold: hold.begin)
    busy: list[tuple[float, float]] = []  # when each node that works will be free, soonest first; since when it lives
    free: list[tuple[float, float]] = []  # since when each idle node is so, latest last; since when it lives
    lives: list[tuple[float, float]] = []  # from when to when each node is paid for
    startup = idle = 0.0
    for job in jobs:
        while busy and busy[0][0] <= job.begin:
            free.append(heappop(busy))
        born = job.begin - job.startup
        if free and job.begin - free[-1][0] <= idle_seconds:
            since, born = free.pop()
            idle += job.begin - since
        else:
            lives += [(birth, since + idle_seconds) for since, birth in free]
            free.clear()
            startup += job.startup
        heappush(busy, (job.end, born))
    lives += [(birth, since + idle_seconds) for since, birth in [*busy, *free]]
    return Usage(
        work=sum(job.seconds for job in jobs if not job.is_final),
        retrain=sum(job.seconds for job in jobs if job.is_final),
        startup=startup,
        idle=idle + idle_seconds * len(lives) + _spare(lives, kept),
    )


def _spare(lives: Iterable[tuple[float, float]], kept: Iterable[Kept]) -> float:
    """Seconds of nodes that are kept up beside those that are there for jobs anyway."""
    changes = [change for born, end in lives for change in ((born, 1, 0), (end, -1, 0))]
    changes += [change for one in kept for change in ((one.since, 0, one.nodes), (one.until, 0, -one.nodes))]
    seconds, alive, wanted = 0.0, 0, 0
    for (time, node, keep), (following, *_) in pairwise(sorted(changes)):
        alive += node
        wanted += keep
        seconds += (following - time) * max(0, wanted - alive)
    return seconds
