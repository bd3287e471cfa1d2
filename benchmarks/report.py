"""The table on the terminal, and in the page docs/benchmarks.md."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.result import Result
from retuner.stages.study import git_commit

COLUMNS = ("row", "what", "figure", "goal", "", "spread", "runs", "beside")
LIBRARIES = ("prefect", "distributed", "optuna", "ray", "scikit-learn", "lightgbm", "numpy", "pandas")

Outcomes = Mapping[str, Result | str]
"""Each row's result, or the sentence that says why there is none."""


def print_table(outcomes: Outcomes) -> None:
    """One table, wide enough for its words, and the details of its rows."""
    table = Table(title="Benchmarks", show_lines=True)
    for column in COLUMNS:
        table.add_column(column)
    for name, outcome in outcomes.items():
        table.add_row(*_cells(name, outcome))
    console = Console()
    console.width = max(console.width, 160)
    console.print(table, markup=False)
    for outcome in outcomes.values():
        if isinstance(outcome, Result) and outcome.details:
            console.print(outcome.details, markup=False)


def table_block(outcomes: Outcomes, *, source: str, conditions: str, minutes: float) -> str:
    """The same table as Markdown, with the machine, the versions, the data and the profiles."""
    head = " | ".join(COLUMNS)
    lines = [
        f"- {conditions}",
        f"- load average after it: {load()}; it took {minutes:.0f} minutes",
        f"- data: {'the synthetic sample' if source == 'sample' else Path(source).name}",
        "",
        f"| {head} |",
        "| " + " | ".join("---" for _ in COLUMNS) + " |",
        *("| " + " | ".join(_cells(name, outcome)) + " |" for name, outcome in outcomes.items()),
        "",
    ]
    details = [one.details for one in outcomes.values() if isinstance(one, Result) and one.details]
    return "\n".join([*lines, *details]).rstrip()


def has_block(page: Path, name: str) -> bool:
    """Whether `page` has the two comments between which the table `name` belongs."""
    return page.is_file() and all(mark in page.read_text() for mark in _marks(name))


def write_block(page: Path, name: str, block: str) -> None:
    """Put `block` between the comments of the table `name`; the words around them stay."""
    start, end = _marks(name)
    text = page.read_text()
    before, after = text.index(start) + len(start), text.index(end)
    page.write_text(f"{text[:before]}\n{block}\n{text[after:]}")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"


def conditions_now() -> str:
    """Machine, versions, commit, date and load, before anything is measured."""
    packages = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    machine = f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {_memory()}, {platform.system()}"
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {git_commit()[:12]}\n"
        f"- {machine}; Python {platform.python_version()}\n- {packages}\n- load average before it: {load()}"
    )


def load() -> str:
    """The load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{one:.2f}" for one in os.getloadavg())


def _cells(name: str, outcome: Result | str) -> tuple[str, ...]:
    if isinstance(outcome, str):
        return name, outcome, "", "", "not measured", "", "", ""
    return name, outcome.what, *outcome.cells()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"
