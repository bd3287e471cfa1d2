"""The rows of the table: what is compared with what, and which goal it must reach."""

from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Result
from benchmarks.rows import answers, cost, one_machine, orchestration, search, stopping

Row = Callable[[Bench], Result]

_MODULES = (cost, search, orchestration, stopping, answers, one_machine)
ROWS: dict[str, Row] = {row.__name__.replace("_", "-"): row for module in _MODULES for row in module.ROWS}
"""Every row by its name, in the order of the table."""


def needs(rows: list[Row]) -> list[Callable[[Bench], Any]]:
    """What the rows need that is counted in CPU seconds, the longest first."""
    return list(dict.fromkeys(need for row in rows for need in (cost.NEEDS | stopping.NEEDS).get(row, ())))
