"""The table on the terminal, and the page docs/benchmarks.md."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bench import Bench
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


def write_page(file: Path, outcomes: Outcomes, bench: Bench, *, conditions: str, minutes: float) -> None:
    """The same table as Markdown, with the machine, the versions and the profiles."""
    head = " | ".join(COLUMNS)
    lines = [
        "# How fast is it, and how much memory does it need?",
        "",
        "Written by `make bench`; every figure comes from one run of it. A ratio is the median of its runs, each run",
        "with both sides; the spread is the lowest and the highest. `python -m benchmarks ROW` measures a row alone.",
        "",
        f"- {conditions}",
        f"- load average after it: {load()}; it took {minutes:.0f} minutes",
        f"- data: {_words(bench)}",
        "",
        f"| {head} |",
        "| " + " | ".join("---" for _ in COLUMNS) + " |",
        *("| " + " | ".join(_cells(name, outcome)) + " |" for name, outcome in outcomes.items()),
        "",
        METHOD.format(part=bench.scale.part),
        DECISIONS,
        "## Where the CPU of a trial goes",
        "",
    ]
    details = [one.details for one in outcomes.values() if isinstance(one, Result) and one.details]
    file.write_text("\n".join([*lines, *details]).rstrip() + "\n")


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


METHOD = """- CPU seconds are those of the process without its imports, on one thread. The yardstick is the reference
  implementation's way to prepare and train, written anew in `benchmarks/measured/yardstick.py`; it takes minutes and
  is measured once. Gains are on the test set, for both sides by the same code with ties averaged; equal means within
  one standard error of the difference.
- In whole searches all peers train the same seeded random trials with our training function, a process a core, a
  thread a trial, and share features between trials as ours do. Their wall starts before their processes do; ours
  starts before the Dask workers and ends with the leaderboard. No call finds work that an earlier one has shared.
- Early stopping is replayed on the first {part} questions with all their duplicates: the trials were trained to their
  ends once, with the CPU seconds until each report; for each seed some are drawn and stopped by the search's own rules
  on a clock of these seconds, a stop being known in the training 0.25 s after the report.
"""

DECISIONS = """## What was measured on the way

| page | what it measures |
| --- | --- |
| [work-shared-between-trials](decisions/work-shared-between-trials.md) | a faq_ranker trial before and after |
| [reference-trees](decisions/reference-trees.md) | a faq_reference trial beside the yardstick, and its settings |
| [threads-per-trial](decisions/threads-per-trial.md) | one trial with all threads, or one with each |
| [memory-of-workers](decisions/memory-of-workers.md) | a search whose workers give memory back, or keep it |
| [one-commit-a-look](decisions/one-commit-a-look.md) | where the wall of trials that return at once went |
| [overhead-of-a-trial](decisions/overhead-of-a-trial.md) | what of it is left, and what it cannot fall below |
"""


def _cells(name: str, outcome: Result | str) -> tuple[str, ...]:
    if isinstance(outcome, str):
        return name, outcome, "", "", "not measured", "", "", ""
    return name, outcome.what, *outcome.cells()


def _words(bench: Bench) -> str:
    if bench.source == "sample":
        return "the synthetic sample"
    return f"`{Path(bench.source).name}`"


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
