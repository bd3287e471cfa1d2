"""The rows of the tables: what is compared with what, and which goal it must reach."""

from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Result
from benchmarks.rows import answers, cost, main_job, orchestration, search, stopping

Row = Callable[[Bench], Result]


def _named(*modules: Any) -> dict[str, Row]:
    return {row.__name__.replace("_", "-"): row for module in modules for row in module.ROWS}


TABLES = {
    "ratios": _named(cost, search, orchestration, stopping, answers),
    "main-job": _named(main_job),
}
"""The tables of the page, each measured whole in one run; those of the main job are absolute, and take minutes more."""
ROWS = {name: row for table in TABLES.values() for name, row in table.items()}

_LONGEST = {cost.reference_cpu: cost.NEEDS[cost.reference_cpu]}
_NEEDS = _LONGEST | stopping.NEEDS | answers.NEEDS | cost.NEEDS | search.NEEDS


def needs(rows: list[Row]) -> list[Callable[[Bench], Any]]:
    """What the rows need that is not compared by the clock, the longest first."""
    return list(dict.fromkeys(need for row, needed in _NEEDS.items() if row in rows for need in needed))
