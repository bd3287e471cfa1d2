"""The rows of the tables: what is compared with what, and which goal it must reach."""

from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Result
from benchmarks.rows import answers, cost, main_job, orchestration, search, stopping

Row = Callable[[Bench], Result]


def _named(*rows: Row) -> dict[str, Row]:
    return {row.__name__.replace("_", "-"): row for row in rows}


TABLES = {
    "ratios": _named(*cost.ROWS, *search.ROWS, *orchestration.ROWS, *stopping.ROWS, *answers.ROWS),
    "main-job": _named(*main_job.ROWS),
}
"""The tables of the page, each measured whole in one run; those of the main job are absolute, and take minutes more."""
ROWS = {name: row for table in TABLES.values() for name, row in table.items()} | _named(*orchestration.MORE)
"""All rows; those of no table are measured where they are asked for by name."""

_LONGEST = {cost.reference_cpu: cost.NEEDS[cost.reference_cpu]}
_NEEDS = _LONGEST | stopping.NEEDS | answers.NEEDS | cost.NEEDS | search.NEEDS


def needs(rows: list[Row]) -> list[Callable[[Bench], Any]]:
    """What the rows need that is not compared by the clock, the longest first."""
    return list(dict.fromkeys(need for row, needed in _NEEDS.items() if row in rows for need in needed))
