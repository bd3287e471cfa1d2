"""The pairs that are learnt from, as rows of a corpus of distinct texts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retuner_training.errors import InvalidInput
from retuner_training.faq.frames import read_pairs
from retuner_training.faq.linear import Floats, Ints
from retuner_training.split import keys

FOLDS = 3


@dataclass(frozen=True)
class Training:
    """How training pairs see the known duplicates: each text as if it were not among them."""

    corpus: pd.Series
    """Texts of both kinds, cleaned, each once."""
    questions: pd.Index
    question_row: Ints
    """Of every question, in `corpus`."""
    known_row: Ints
    """Of every known duplicate, in `corpus`."""
    known_question: Ints
    text: Ints
    """Of every pair: row in `corpus`."""
    question: Ints
    own: Floats
    """1 for a pair whose text is a known duplicate of its question."""
    fold: Ints
    """Of every text of `corpus`."""

    @classmethod
    def read(cls, frame: pd.DataFrame, matches: npt.NDArray[np.bool_]) -> "Training":
        """From pairs, of which those that match are the known duplicates."""
        if not matches.any():
            raise InvalidInput("No pair matches (y = 1): there are no known duplicates to learn from.")
        pairs = read_pairs(frame)
        ids, corpus = pd.factorize(pd.concat([pairs.texts, pairs.questions]).array)
        text = ids[: len(pairs.texts)][pairs.text]
        code = text.astype(np.int64) * len(pairs.questions) + pairs.question
        known = np.unique(code[matches])
        known_row, known_question = np.divmod(known, len(pairs.questions))
        return cls(
            corpus=pd.Series(corpus),
            questions=pd.Index(pairs.questions),
            question_row=ids[len(pairs.texts) :],
            known_row=known_row,
            known_question=known_question,
            text=text,
            question=pairs.question,
            own=np.isin(code, known).astype(np.float32),
            fold=(keys(pd.Series(corpus)) % FOLDS).astype(np.intp),
        )

    def examples(self) -> tuple[Ints, Ints]:
        """Rows in `corpus` of the questions and of their known duplicates, and the question of each."""
        row = np.concatenate([self.question_row, self.known_row])
        return row, np.concatenate([np.arange(len(self.questions)), self.known_question])
