"""Pairs of a text and a question as the pipelines take them: data frames with the columns `text_x` and `text_y`.

Pairs repeat few texts many times, so the columns may be categorical; the texts are then kept once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retuner_training.errors import InvalidInput
from retuner_training.faq.clean import clean

Ints = npt.NDArray[np.integer]

COLUMNS = ("text_x", "text_y")
BLOCK = 500_000
"""Pairs that are turned into features at a time."""


@dataclass(frozen=True)
class TextPairs:
    """Row i pairs `texts[text[i]]` with `questions[question[i]]`; both lists are cleaned and free of repeats."""

    texts: pd.Series
    questions: pd.Series
    text: Ints
    question: Ints


def pair_frame(texts: pd.Series, questions: pd.Series, text: Ints, question: Ints) -> pd.DataFrame:
    """The frame whose row i pairs the text at position `text[i]` with the question at position `question[i]`."""
    return pd.DataFrame(
        {name: _categorical(of, at) for name, of, at in zip(COLUMNS, (texts, questions), (text, question), strict=True)}
    )


def cross_frames(texts: pd.Series, questions: pd.Series) -> Iterator[tuple[slice, pd.DataFrame]]:
    """Every text with every question, text by text, in blocks: the slice of `texts` and its frame."""
    size = max(1, BLOCK // max(1, len(questions)))
    for start in range(0, len(texts), size):
        part = texts.iloc[start : start + size]
        text = np.repeat(np.arange(len(part)), len(questions))
        question = np.tile(np.arange(len(questions)), len(part))
        yield slice(start, start + len(part)), pair_frame(part, questions, text, question)


def read_pairs(frame: pd.DataFrame, known: pd.Index | None = None) -> TextPairs:
    """Clean the texts of a frame, each once, those in `known` excepted: they are clean.

    Raises InvalidInput where a column is missing.
    """
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise InvalidInput(
            f"The pairs lack the column {' and '.join(missing)}: give a data frame with text_x (the text) "
            f"and text_y (the question)."
        )
    (texts, text), (questions, question) = (_unique(frame[name], known) for name in COLUMNS)
    return TextPairs(texts, questions, text, question)


def _categorical(texts: pd.Series, at: Ints) -> pd.Categorical:
    codes, categories = pd.factorize(texts.array)
    return pd.Categorical.from_codes(codes[at], categories=pd.Index(categories))


def _unique(column: pd.Series, known: pd.Index | None) -> tuple[pd.Series, Ints]:
    """The cleaned texts that occur, without repeats, and the position of each row's text among them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, raw = column.cat.codes.to_numpy(), pd.Series(column.cat.categories)
    else:
        codes, found = pd.factorize(column.array)
        raw = pd.Series(found)
    used, codes = np.unique(codes, return_inverse=True)  # a missing text has the code -1
    occurring = raw.reindex(used)
    fresh = np.ones(len(used), dtype=bool) if known is None else known.get_indexer(pd.Index(occurring)) < 0
    occurring[fresh] = clean(occurring[fresh]).array
    same, texts = pd.factorize(occurring.array)
    return pd.Series(texts), same[codes]
