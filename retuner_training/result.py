"""A job's result as files in its output folder: written whole, and read back only where whole."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from retuner_training.job import JobResult

RESULT = "result.json"
MODEL = "model.joblib"
SEEN = "seen.parquet"
SCORES = "scores.parquet"
MISTAKES = "mistakes.json"
LOG = "log.txt"


def sha256_of(file: Path) -> str:
    """Hexadecimal SHA-256 of the file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_whole(file: Path, write: Callable[[Path], object], *, forced: bool = True) -> None:
    """Let `write` fill a temporary name beside `file`, then rename it: `file` is there whole or not at all.

    Where it is not `forced` to the disk, that does not hold for a loss of power.
    """
    part = file.with_name(f".{file.name}.{uuid4().hex}.part")
    try:
        write(part)
        if forced:
            with part.open("rb+") as content:
                os.fsync(content.fileno())
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_result(result: JobResult, file: Path) -> None:
    """Write `result` as JSON, whole. A trial's is not forced to the disk: one that a loss of power damages is none."""
    text = json.dumps(vars(result), indent=1)
    write_whole(file, lambda part: part.write_text(text), forced=bool(result.files))


def read_result(folder: Path) -> JobResult | None:
    """The result in the output `folder`; None where there is none, or a file that it names is missing or another."""
    try:
        fields = json.loads((folder / RESULT).read_text())
        fields["reports"] = [(step, value) for step, value in fields["reports"]]
        result = JobResult(**fields)
        whole = all(sha256_of(folder / name) == expected for name, expected in result.files.items())
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return result if whole else None
