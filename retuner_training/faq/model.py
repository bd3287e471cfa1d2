"""A fitted FAQ matcher with the questions that it answers with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from retuner_training.errors import InvalidInput
from retuner_training.faq.frames import cross_frames


@dataclass(frozen=True)
class Tuned:
    """Gains of the texts of a tune part, and the fingerprint of that part."""

    part: str
    gains: npt.NDArray[np.float64]


@dataclass(frozen=True)
class FaqModel:
    """Pickled by this import path: the class must keep its name and place."""

    pipeline: Pipeline
    questions: pd.DataFrame
    """The table of questions that it was trained with: id, text, shown, answer, key."""
    tuned: Tuned | None = None
    """What is known of the tune part since the last report; not saved."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "tuned": None}

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Probabilities that `text_x` does not and does match `text_y`: rows x 2."""
        return np.asarray(self.pipeline.predict_proba(frame))

    def scores(self, texts: pd.Series, questions: pd.Series) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
        """Probability of every text with every question, in blocks: the slice of `texts`, and texts x questions."""
        for part, frame in cross_frames(texts, questions):
            yield part, self.predict_proba(frame)[:, 1].reshape(-1, len(questions))

    def answer(self, text: str, *, top: int) -> list[dict[str, Any]]:
        """The `top` best matching questions with their answers, best first."""
        if not text.strip():
            raise InvalidInput("The question is empty: give the text of a question.")
        if top < 1:
            raise InvalidInput(f"{top} answers were asked for: ask for at least 1.")
        ((_, scores),) = self.scores(pd.Series([text]), self.questions["text"])
        best = np.argsort(-scores[0], kind="stable")[:top]
        rows = self.questions.iloc[best]
        return [
            {"id": int(id_), "question": str(shown), "answer": str(answer), "probability": float(scores[0, place])}
            for id_, shown, answer, place in zip(rows["id"], rows["shown"], rows["answer"], best, strict=True)
        ]
