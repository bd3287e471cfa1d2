"""`python -m benchmarks`: measure a table whole and write it into docs/benchmarks.md, or some rows and print them."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench import TINY, Bench, Failure, Scale
from benchmarks.report import Outcomes, conditions_now, has_block, print_table, table_block, write_block
from benchmarks.result import Result
from benchmarks.rows import ROWS, TABLES, needs
from retuner.settings import CHECKOUT

DATA = CHECKOUT.parent / "shared" / "data" / "clinc150"
"""CLINC150 in the layout of docs/data.md, where somebody has laid it."""
PAGE = CHECKOUT / "docs" / "benchmarks.md"
SCALES = {"full": Scale(), "tiny": TINY}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where a row could not be measured, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    if options.list:
        width = max(map(len, ROWS))
        print("\n".join(f"{name:{width}}  {(row.__doc__ or '').splitlines()[0]}" for name, row in ROWS.items()))
        return 0
    if refusal := _refusal(options):
        print(refusal, file=sys.stderr)
        return 2
    outcomes = measure(options.rows or list(TABLES[options.table]), options)
    return int(any(isinstance(outcome, str) for outcome in outcomes.values()))


def measure(names: Sequence[str], options: argparse.Namespace) -> Outcomes:
    """Measure the rows, print them and, where they are a whole table, write it into the page."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server and the folder go as well
    conditions, started = conditions_now(), time.monotonic()
    outcomes: dict[str, Result | str] = {}
    with (
        TemporaryDirectory(prefix="retuner-bench-", ignore_cleanup_errors=True) as folder,
        Bench(options.data, folder=Path(folder), scale=SCALES[options.scale], runs=options.runs) as bench,
    ):
        bench.make_ahead(needs([ROWS[name] for name in names]))
        for name in names:
            outcomes[name] = _measure_row(name, bench)
            _tell(name, outcomes[name], started)
    if not options.rows:
        took = (time.monotonic() - started) / 60
        block = table_block(outcomes, source=options.data, conditions=conditions, minutes=took)
        write_block(Path(options.page), options.table, block)
    print_table(outcomes)
    return outcomes


def _measure_row(name: str, bench: Bench) -> Result | str:
    try:
        return ROWS[name](bench)
    except (Failure, OSError) as failure:  # of one row: the others are worth their minutes
        return str(failure)


def _tell(name: str, outcome: Result | str, started: float) -> None:
    what = outcome if isinstance(outcome, str) else " | ".join(outcome.cells())
    print(f"{time.monotonic() - started:6.0f} s  {name}: {what}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to measure and print (a whole table)")
    parser.add_argument("--table", choices=TABLES, default="ratios", help="the table to measure (%(default)s)")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--runs", type=int, default=3, help="runs of a row (3)")
    parser.add_argument(
        "--data",
        default=str(DATA) if _is_there(str(DATA)) else "sample",
        help="folder of raw files, or `sample` (%(default)s)",
    )
    parser.add_argument("--scale", choices=SCALES, default="full", help="`tiny` tries out the benchmark itself")
    parser.add_argument("--page", default=str(PAGE), help="where a whole table is written (%(default)s)")
    return parser


def _is_there(data: str) -> bool:
    return data == "sample" or (Path(data) / "orig-q.tsv.gz").is_file()


def _refusal(options: argparse.Namespace) -> str | None:
    """What is wrong with the usage, before minutes are spent."""
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        return f"There is no row '{unknown[0]}': the rows are {', '.join(ROWS)}."
    if options.runs < 1:
        return f"--runs is {options.runs}: at least one run is needed."
    if not _is_there(options.data):
        return f"There is no data in {options.data}: give a folder with orig-q.tsv.gz, or: --data sample"
    if not options.rows and not has_block(Path(options.page), options.table):
        return f"{options.page} has no place for the table '{options.table}': give a copy of docs/benchmarks.md."
    return None


if __name__ == "__main__":
    sys.exit(main())
