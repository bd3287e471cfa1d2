"""Raw files of an FAQ for tests: a small sound one, and the means to spoil it."""

import gzip
from pathlib import Path

QUESTIONS, DUPLICATES, ANSWERS = "orig-q.tsv.gz", "dup-q.tsv.gz", "ans.tsv.gz"
DATE = "2020-01-01 00:00:00"
OPTIONS = {"min_text": 0, "min_dupes": 3, "match": 3, "split_seed": 0}

Rows = list[list[str]]


def write_rows(file: Path, rows: Rows, *, delimiter: str = "\t") -> None:
    file.write_bytes(gzip.compress("".join(delimiter.join(row) + "\n" for row in rows).encode()))


def read_rows(file: Path) -> Rows:
    return [line.split("\t") for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


def write_faq(folder: Path, *, questions: int = 4, duplicates: int = 12) -> Path:
    """Question i has the id 10 + i and the answer 90 + i; its duplicates have ids from 1000 * (i + 1) on."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / QUESTIONS, [[str(10 + i), str(90 + i), f"What is topic {i}?", DATE] for i in range(questions)])
    write_rows(folder / ANSWERS, [[str(90 + i), f"<p>It is {i}.</p>"] for i in range(questions)])
    write_rows(
        folder / DUPLICATES,
        [
            [str(1000 * (i + 1) + j), str(90 + i), f"Tell me, what is topic {i} in case {j}", DATE]
            for i in range(questions)
            for j in range(duplicates)
        ],
    )
    return folder
