"""Reading one table from a file: CSV with a line of column names, or Parquet."""

import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from retuner_training.errors import InvalidInput

FORMS = ("*.csv", "*.csv.gz", "*.parquet")
"""Names of the files that can be read."""
MISSING = ("", "NA", "NaN", "nan", "null")
"""What a cell of a CSV file holds where its value is missing."""
_CSV: dict[str, Any] = {"encoding": "utf-8-sig", "keep_default_na": False, "index_col": False}
_LONG_LINE = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def read_names(file: Path) -> list[str]:
    """The names of the columns, as `read_table` gives them; no row is read. Raises InvalidInput naming file."""
    with _readable(file):
        return _parquet_names(file) if _is_parquet(file) else _csv_names(file)


def read_table(file: Path) -> pd.DataFrame:
    """The rows of the file, numbered from 1, every column with a name of its own. Raises InvalidInput naming file."""
    with _readable(file):
        table = _read_parquet(file) if _is_parquet(file) else _read_csv(file)
    if table.empty:
        raise InvalidInput(f"{file} holds no rows: it needs column names and at least one row of values.")
    return table.set_axis(pd.RangeIndex(1, len(table) + 1))


def _is_parquet(file: Path) -> bool:
    return file.suffix == ".parquet"


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn what pandas, PyArrow and the operating system say about a file into InvalidInput."""
    import pyarrow as pa

    try:
        if file.stat().st_size == 0:
            raise InvalidInput(f"{file} is empty: fetch it again.")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except pd.errors.EmptyDataError:
        raise InvalidInput(f"{file} is empty: fetch it again.") from None
    except pd.errors.ParserWarning:
        raise InvalidInput(f"{file}: the rows have more columns than the header names: mend its first line.") from None
    except pd.errors.ParserError as error:
        raise InvalidInput(_shape_message(file, str(error))) from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InvalidInput(f"{file} is not UTF-8: it holds the byte 0x{byte:02x}; save it as UTF-8.") from None
    except (EOFError, zlib.error) as error:
        raise InvalidInput(f"{file} is not a whole gzip file ({error}): fetch it again.") from None
    except pa.ArrowException as error:
        words = " ".join(str(error).split())
        raise InvalidInput(f"{file} is not a readable Parquet file ({words}): write it again.") from None
    except OSError as error:  # gzip's errors among them
        raise InvalidInput(f"{file} cannot be read ({error.strerror or error}): fetch it again.") from None


def _csv_names(file: Path) -> list[str]:
    names: list[str] = pd.read_csv(file, header=None, nrows=1, dtype="str", **_CSV).iloc[0].tolist()
    _check_names(names, file)
    return names


def _read_csv(file: Path) -> pd.DataFrame:
    names = _csv_names(file)
    table = pd.read_csv(file, na_values=list(MISSING), low_memory=False, **_CSV)
    return table.set_axis(names, axis="columns")


def _parquet_names(file: Path) -> list[str]:
    """Without the numbers of rows that pandas keeps for an index without a name: they say nothing about a row."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as parquet:
        names = parquet.schema_arrow.names
    _check_names(names, file)
    return [name for name in names if not _UNNAMED_INDEX.fullmatch(name)]


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    names = _parquet_names(file)
    with pq.ParquetFile(file) as parquet:
        return parquet.read().to_pandas(ignore_metadata=True)[names]


def _shape_message(file: Path, words: str) -> str:
    found = _LONG_LINE.search(words)
    if found is None:
        return f"{file} is not a CSV file ({' '.join(words.split())}): separate columns by commas, close all quotes."
    wanted, line, has = found.groups()
    return f"{file}: line {line} has {has} columns where the header has {wanted}: mend or remove this line."


def _check_names(names: list[str], file: Path) -> None:
    unnamed = [str(place) for place, name in enumerate(names, start=1) if not name.strip()]
    if unnamed:
        raise InvalidInput(f"{file}: column {', '.join(unnamed)} has no name: name it in the first line or remove it.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidInput(f"{file} has more than one column '{repeated[0]}': give each a name of its own.")
