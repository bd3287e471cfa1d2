"""CPU seconds of the phases of a training."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Phases:
    """CPU seconds of this process by phase. A phase inside another is not counted to the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Count what happens inside to `phase`."""
        started = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.process_time() - started
            self.seconds[phase] = self.seconds.get(phase, 0.0) + whole - self._inner.pop()
            self._inner[-1] += whole

    @contextmanager
    def watch(self, *methods: tuple[Any, str, str]) -> Iterator[None]:
        """While inside, count every call of (owner, method) to (phase)."""
        originals = [(owner, method, getattr(owner, method)) for owner, method, _ in methods]
        for (owner, method, original), (_, _, phase) in zip(originals, methods, strict=True):
            setattr(owner, method, self._counted(original, phase))
        try:
            yield
        finally:
            for owner, method, original in originals:
                setattr(owner, method, original)

    def _counted(self, original: Callable[..., Any], phase: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def counted(*arguments: Any, **named: Any) -> Any:
            with self.measure(phase):
                return original(*arguments, **named)

        return counted
