"""Seconds of nodes, by what they were used for. Pure arithmetic.

A node is started for a job that finds none free, held by one job after the other, and given back once it has been
idle for long enough. All that is between is paid for, whoever is alive on our side.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple


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
    idle: float | None = None
    """How long its node idles after it, where that is not as long as nodes do now."""

    @property
    def end(self) -> float:
        return self.begin + self.seconds


@dataclass(frozen=True)
class Kept:
    """Nodes that a cluster keeps up whether they have work or not; times in seconds since the epoch."""

    nodes: int
    since: float
    until: float


class _Node(NamedTuple):
    """A node and its last job: when that ends, since when the node lives, and how long it idles afterwards."""

    since: float
    born: float
    idle: float

    def waits_for(self, job: Hold, idle: float) -> bool:
        """Whether it is still there for a job whose cluster lets nodes idle for so long, be it less than before."""
        return job.begin - self.since <= min(self.idle, idle)


def usage(jobs: Iterable[Hold], *, idle_seconds: float, kept: Iterable[Kept] = ()) -> Usage:
    """The node seconds of jobs on one cluster, with the start and the idle time of its nodes."""
    jobs = sorted(jobs, key=lambda hold: hold.begin)
    busy: list[_Node] = []  # soonest free first
    free: list[_Node] = []  # latest freed last
    lives: list[tuple[float, float]] = []  # from when to when each node is paid for
    startup = idle = 0.0
    for job in jobs:
        lasting = idle_seconds if job.idle is None else job.idle
        while busy and busy[0].since <= job.begin:
            free.append(heappop(busy))
        if free and not free[-1].waits_for(job, lasting):
            # one that a lower limit has ended since is paid for until now at most
            gone = [node for node in free if not node.waits_for(job, lasting)]
            free = [node for node in free if node.waits_for(job, lasting)]
            rests = [min(node.idle, job.begin - node.since) for node in gone]
            lives += [(node.born, node.since + rest) for node, rest in zip(gone, rests, strict=True)]
            idle += sum(rests)
        born = job.begin - job.startup
        if free:
            since, born, _ = free.pop()
            idle += job.begin - since
        else:
            startup += job.startup
        heappush(busy, _Node(job.end, born, lasting))
    left = [*busy, *free]
    lives += [(node.born, node.since + node.idle) for node in left]
    return Usage(
        work=sum(job.seconds for job in jobs if not job.is_final),
        retrain=sum(job.seconds for job in jobs if job.is_final),
        startup=startup,
        idle=idle + sum(node.idle for node in left) + _spare(lives, kept),
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
