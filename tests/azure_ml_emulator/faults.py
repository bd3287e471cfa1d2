"""Faults by rule: which requests go wrong, how, and how often."""

import threading
from dataclasses import dataclass, field
from enum import StrEnum

from azure_ml_emulator.record import matches


class FaultKind(StrEnum):
    """What goes wrong. The first group is the answer's fault, the second is the service's after a good answer."""

    THROTTLED = "throttled"
    """429 with Retry-After."""
    ERROR = "error"
    """500."""
    UNAVAILABLE = "unavailable"
    """503."""
    FORBIDDEN = "forbidden"
    """403: a role is missing."""
    EXPIRED = "expired"
    """401, and the bearer token that was shown is not accepted again; at a blob 403, as of a SAS that has ended."""
    RESET = "reset"
    """The connection breaks without an answer."""
    SLOW = "slow"
    """The answer comes after `seconds`."""
    HANG = "hang"
    """No answer comes."""

    LATE_METRICS = "late metrics"
    """On a metrics batch, also a scripted one: accepted at once, readable after `seconds`."""
    LOST_RUN = "lost run"
    """On a submission: accepted, and after `seconds` nobody knows the run."""
    STUCK = "stuck"
    """On a submission: the run stays Queued."""
    UNREADY = "unready"
    """On a submission: the run stays Preparing on its node."""
    OVERDUE = "overdue"
    """On a submission: the run stays Running, whatever its maximum duration and its work."""
    PREEMPTED = "preempted"
    """On a submission: the node is taken away `seconds` after the run started on it."""
    IMAGE_BUILD = "image build"
    """On a submission or an image build: it fails."""
    QUOTA = "quota"
    """On a cluster's creation or change: the subscription has no cores left for it."""

    def is_answer(self) -> bool:
        """Whether the fault is the HTTP answer itself."""
        return self in _ANSWERS


_ANSWERS = frozenset(
    (
        FaultKind.THROTTLED,
        FaultKind.ERROR,
        FaultKind.UNAVAILABLE,
        FaultKind.FORBIDDEN,
        FaultKind.EXPIRED,
        FaultKind.RESET,
        FaultKind.SLOW,
        FaultKind.HANG,
    )
)


@dataclass(frozen=True)
class FaultRule:
    """The next `times` requests with this method (`*`: any) whose path holds a match of `pattern` go wrong."""

    method: str
    pattern: str
    kind: FaultKind
    times: int = 1
    after: int = 0
    """So many matching requests pass first."""
    seconds: float = 1.0
    """Retry-After of THROTTLED; the delay of SLOW, LATE_METRICS, LOST_RUN and PREEMPTED."""
    applied: bool = False
    """The request takes effect and only its answer is lost or replaced."""


@dataclass
class Faults:
    """The rules in force, in the order in which they were added; the first that matches counts."""

    _rules: list[tuple[FaultRule, list[int]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *rules: FaultRule) -> None:
        with self._lock:
            self._rules.extend((rule, [0]) for rule in rules)

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def unmet(self) -> list[FaultRule]:
        """Rules that no request has met: they show nothing."""
        with self._lock:
            return [rule for rule, seen in self._rules if seen[0] <= rule.after]

    def meet(self, method: str, path: str) -> FaultRule | None:
        """The rule that this request meets, which is used up by one."""
        with self._lock:
            for rule, seen in self._rules:
                if matches(method, path, rule.method, rule.pattern) and seen[0] < rule.after + rule.times:
                    seen[0] += 1
                    if seen[0] > rule.after:
                        return rule
        return None
