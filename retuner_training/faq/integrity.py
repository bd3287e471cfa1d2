"""What must hold between questions, duplicates and answers before they are used."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from retuner_training.errors import InvalidInput, listed
from retuner_training.faq.raw_files import ANSWERS, DUPLICATES, QUESTIONS, read_rows


@dataclass
class Faq:
    """The raw rows: every question has an answer and at least one duplicate, every duplicate a question."""

    questions: pd.DataFrame
    duplicates: pd.DataFrame
    answers: pd.DataFrame
    read: dict[str, int]
    """Rows read, by kind."""
    faulty: dict[str, int]
    """Rows left out because of a fault, by fault."""


def read_faq(source: Path, *, drop_faulty: bool = False) -> Faq:
    """Read and check the raw files in `source`.

    Faulty rows raise InvalidInput naming them, or with `drop_faulty` are left out and counted: of an id that is there
    twice the first row stays, and a duplicate with the id of a question is left out.
    """
    questions, duplicates, answers = (read_rows(source, name) for name in (QUESTIONS, DUPLICATES, ANSWERS))
    read = {"questions": len(questions), "duplicates": len(duplicates), "answers": len(answers)}
    check = _Check(source, drop=drop_faulty)
    known = set(questions["Id"])
    answers = check.unique(answers, ANSWERS, "Id")
    questions = check.unique(check.unique(questions, QUESTIONS, "Id"), QUESTIONS, "AnswerId")
    questions = check.members(questions, answers["Id"], QUESTIONS, f"whose AnswerId is no Id in {ANSWERS}")
    if drop_faulty:  # elsewhere the two files may number their rows independently
        duplicates = check.keep(duplicates, ~duplicates["Id"].isin(known), DUPLICATES, "that are questions as well")
    duplicates = check.unique(duplicates, DUPLICATES, "Id")
    duplicates = check.members(duplicates, questions["AnswerId"], DUPLICATES, f"of no question in {QUESTIONS}")
    questions = check.members(questions, duplicates["AnswerId"], QUESTIONS, f"without a duplicate in {DUPLICATES}")
    return Faq(questions, duplicates, answers, read, check.faulty)


@dataclass(frozen=True)
class _Check:
    """Finds faulty rows; counts them by file and fault, or raises."""

    source: Path
    drop: bool
    faulty: dict[str, int] = field(default_factory=dict)

    def unique(self, rows: pd.DataFrame, name: str, column: str) -> pd.DataFrame:
        return self.keep(rows, ~rows[column].duplicated(), name, f"that repeat the {column} of an earlier row", column)

    def members(self, rows: pd.DataFrame, known: pd.Series, name: str, fault: str) -> pd.DataFrame:
        return self.keep(rows, rows["AnswerId"].isin(known), name, fault)

    def keep(self, rows: pd.DataFrame, sound: pd.Series, name: str, fault: str, column: str = "Id") -> pd.DataFrame:
        wrong = rows.loc[~sound, column]
        if len(wrong) == 0:
            return rows
        if not self.drop:
            found = listed([f"{column} {value} in row {row}" for row, value in wrong.items()])
            raise InvalidInput(
                f"{self.source / name} has rows {fault}: {len(wrong)} in all ({found}); mend or remove them."
            )
        self.faulty[f"{name} rows {fault}"] = len(wrong)
        return rows[sound]
