"""Reading the raw files of an FAQ: gzipped, tab-separated UTF-8 without a header.

orig-q.tsv.gz   Id, AnswerId, Text0, CreationDate   the original questions
dup-q.tsv.gz    Id, AnswerId, Text0, CreationDate   their duplicates: same AnswerId, same question
ans.tsv.gz      Id, Text0                           the answers
"""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

import pandas as pd

from retuner_training.errors import InvalidInput, listed

QUESTIONS = "orig-q.tsv.gz"
DUPLICATES = "dup-q.tsv.gz"
ANSWERS = "ans.tsv.gz"
FILES = (QUESTIONS, DUPLICATES, ANSWERS)

_COLUMNS = {
    QUESTIONS: ("Id", "AnswerId", "Text0", "CreationDate"),
    DUPLICATES: ("Id", "AnswerId", "Text0", "CreationDate"),
    ANSWERS: ("Id", "Text0"),
}
_QUOTED = re.compile(r'"(?:[^"]|"")*"')

Record = list[str]


def read_rows(folder: Path, name: str) -> pd.DataFrame:
    """The rows of one raw file, ids as int64, indexed by row number from 1. Raises InvalidInput naming file and row."""
    path, columns = folder / name, _COLUMNS[name]
    records = _records(_text(path), path, columns)
    if not records:
        raise InvalidInput(f"{path} holds no rows: it needs the tab-separated columns {', '.join(columns)}.")
    rows = pd.DataFrame(records, columns=list(columns), index=pd.RangeIndex(1, len(records) + 1), dtype="str")
    for column in [name for name in columns if name.endswith("Id")]:
        rows[column] = _numbers(rows[column], path)
    return rows


def _text(path: Path) -> str:
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        raise InvalidInput(f"{path} is missing: the folder must hold {', '.join(FILES)}.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
    if not packed:
        raise InvalidInput(f"{path} is empty: fetch it again.")
    try:
        data = gzip.decompress(packed).removeprefix(codecs.BOM_UTF8)
    except EOFError:
        raise InvalidInput(f"{path} is cut off after {len(packed)} bytes: fetch it again.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        advice = "fetch it again" if packed[:2] == b"\x1f\x8b" else "compress the file with gzip"
        raise InvalidInput(f"{path} is not a readable gzip file ({error}): {advice}.") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        row, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        raise InvalidInput(f"{path} is not UTF-8: line {row} holds the byte 0x{byte:02x}; save it as UTF-8.") from None


def _records(text: str, path: Path, columns: Sequence[str]) -> list[Record]:
    """The records of a file, whether it was written with quotes (texts may then span lines) or without.

    A file whose lines all have the right number of columns is read line by line, and quotes are taken off only where
    they are well formed throughout: a writer that quotes at all quotes every field with a quote in it.
    """
    lines = [line.removesuffix("\r").split("\t") for line in text.split("\n") if line.strip("\r")]
    faults = _misshapen(lines, len(columns))
    if '"' in text and (faults or _all_well_quoted(lines)):
        records = _unquoted(text)
        if records is not None and (not faults or len(_misshapen(records, len(columns))) < len(faults)):
            lines, faults = records, _misshapen(records, len(columns))
    if faults:
        raise InvalidInput(_shape_message(path, columns, faults, len(lines)))
    return lines


def _unquoted(text: str) -> list[Record] | None:
    try:
        return [record for record in csv.reader(StringIO(text, newline=""), delimiter="\t", strict=True) if record]
    except csv.Error:
        return None


def _all_well_quoted(records: Iterable[Record]) -> bool:
    return all(_QUOTED.fullmatch(field) for record in records for field in record if '"' in field)


def _misshapen(records: Iterable[Record], width: int) -> list[tuple[int, int]]:
    """(row number, number of columns) of every record that is not `width` columns wide."""
    return [(row, len(record)) for row, record in enumerate(records, start=1) if len(record) != width]


def _shape_message(path: Path, columns: Sequence[str], faults: list[tuple[int, int]], rows: int) -> str:
    found = listed([f"row {row} has {width} column{'s' * (width != 1)}" for row, width in faults])
    return (
        f"{path}: {len(faults)} of {rows} rows do not have the {len(columns)} columns {', '.join(columns)} "
        f"separated by tabs ({found}): mend or remove these rows."
    )


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    wrong = column[~column.str.fullmatch(r"-?[0-9]{1,18}")]
    if len(wrong):
        found = listed([f"row {row} has {value[:40]!r}" for row, value in wrong.items()])
        header = " (a header line must be removed)" if 1 in wrong.index else ""
        raise InvalidInput(f"{path}: {column.name} must be a whole number, but {found}: mend these rows{header}.")
    return column.astype("int64")
