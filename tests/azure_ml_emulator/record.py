"""What was asked, in order: for tests on rate limits, on repeats and on what was left alone."""

import re
import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """One request after its answer. No header, query or body is kept: they hold tokens and signatures."""

    at: float
    """Seconds since the emulator was started, when the request arrived."""
    method: str
    host: str
    path: str
    status: int
    """0 where no answer was sent: the connection was reset, or the client left first."""
    seconds: float
    fault: str | None = None
    """The kind of the fault rule that it met."""


@dataclass
class Record:
    """Every request, and every host that the proxy refused."""

    refused_hosts: list[str] = field(default_factory=list)
    _requests: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return time.monotonic() - self._started

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def requests(self, method: str = "*", pattern: str = "") -> list[Request]:
        """Those with the method (`*`: any) whose path holds a match of the regular expression, oldest first."""
        with self._lock:
            requests = list(self._requests)
        return sorted((r for r in requests if matches(r.method, r.path, method, pattern)), key=lambda r: r.at)

    def busiest(self, method: str = "*", pattern: str = "", *, seconds: float = 1.0) -> int:
        """The largest number of such requests within any window of `seconds`."""
        times = [request.at for request in self.requests(method, pattern)]
        most = first = 0
        for last, at in enumerate(times):
            while times[first] < at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


def matches(method: str, path: str, wanted_method: str, pattern: str) -> bool:
    """Whether a request has the method (`*`: any) and a path that holds a match of the regular expression."""
    return wanted_method in ("*", method) and re.search(pattern, path) is not None
