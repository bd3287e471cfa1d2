"""From the raw files of an FAQ to the tables that the recipes train on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retuner_training.errors import InvalidInput
from retuner_training.faq.clean import clean, plain
from retuner_training.faq.integrity import Faq, read_faq
from retuner_training.faq.options import Options
from retuner_training.faq.pairs import make_pairs
from retuner_training.split import keys, split_parts


def prepare(source: Path, options: Mapping[str, Any]) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The dataset's tables and statistics from the raw files in the folder `source`; `options` as in `Options`.

    questions   id, text (cleaned), shown and answer (as people read them), key; a row's position is its index
    texts       the duplicates: id, text (cleaned), question (index), part (train, tune, test), key
    pairs       for training: text and question (indexes), n (0: its own question, from 1: others)

    Raises InvalidInput naming file and row, or the option that leaves nothing.
    """
    try:
        chosen = Options(**options)
    except TypeError as error:
        raise InvalidInput(f"Unknown option for preparing an FAQ: {error}.") from None
    faq = read_faq(source, drop_faulty=chosen.faulty_rows == "drop")
    questions, texts, left_out = _filter(faq, chosen)
    texts["part"] = split_parts(texts["text"], texts["question"].to_numpy(), seed=chosen.split_seed)
    texts["part"] = texts["part"].astype("str")
    train = np.flatnonzero(texts["part"] == "train").astype(np.int32)
    if len(train) == 0:
        raise InvalidInput(
            f"No text is left for training after one of each question went to testing and one to tuning: "
            f"raise min_dupes (now {chosen.min_dupes}) or add duplicates."
        )
    own = texts["question"].to_numpy()[train]
    pairs = make_pairs(train, own, questions=len(questions), match=chosen.match, seed=chosen.split_seed)
    tables = {"questions": questions, "texts": texts[["id", "text", "question", "part", "key"]], "pairs": pairs}
    return tables, {"read": faq.read, "faulty": faq.faulty, "left_out": left_out, **_statistics(tables)}


def _filter(faq: Faq, options: Options) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Questions and texts that pass, and the number of rows that each filter left out."""
    questions = faq.questions.assign(text=clean(faq.questions["Text0"]))
    texts = faq.duplicates.assign(text=clean(faq.duplicates["Text0"]))
    shortest = max(options.min_text, 1)
    long_questions = questions[questions["text"].str.len() >= shortest]
    long_texts = texts[texts["text"].str.len() >= shortest]
    of_long = long_texts["AnswerId"].isin(long_questions["AnswerId"])
    counts = long_texts.loc[of_long, "AnswerId"].value_counts()
    enough = counts.index[counts >= options.min_dupes]
    kept = long_questions[long_questions["AnswerId"].isin(enough)]
    if len(kept) < 2:
        raise InvalidInput(_too_few(options, questions["text"], texts["text"], counts, kept=len(kept)))
    kept_texts = long_texts[long_texts["AnswerId"].isin(enough)]
    left_out = {
        "questions_too_short": len(questions) - len(long_questions),
        "questions_with_few_duplicates": len(long_questions) - len(kept),
        "duplicates_too_short": len(texts) - len(long_texts),
        "duplicates_of_left_out_questions": len(long_texts) - len(kept_texts),
    }
    return *_tables(kept, kept_texts, faq.answers), left_out


def _tables(questions: pd.DataFrame, texts: pd.DataFrame, answers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    questions, texts = questions.sort_values("Id"), texts.sort_values("Id")
    answer_texts = answers.set_index("Id")["Text0"].loc[questions["AnswerId"]]
    positions = pd.Series(np.arange(len(questions), dtype=np.int32), index=questions["AnswerId"])
    asked = pd.DataFrame(
        {
            "id": questions["Id"].to_numpy(),
            "text": questions["text"].array,
            "shown": plain(questions["Text0"]).array,
            "answer": plain(answer_texts).array,
            "key": keys(questions["text"]),
        }
    )
    duplicates = pd.DataFrame(
        {
            "id": texts["Id"].to_numpy(),
            "text": texts["text"].array,
            "question": positions.loc[texts["AnswerId"]].to_numpy(),
            "key": keys(texts["text"]),
        }
    )
    return asked, duplicates


def _too_few(options: Options, questions: pd.Series, texts: pd.Series, counts: pd.Series, *, kept: int) -> str:
    left = "no question" if kept == 0 else "one question only, where two are needed"
    if len(counts) == 0:
        longest = int(questions.str.len().max()), int(texts.str.len().max())
        return (
            f"min_text = {options.min_text} leaves {left}: after cleaning, the longest question has {longest[0]} "
            f"characters and the longest duplicate {longest[1]}; lower min_text."
        )
    second = int(counts.iloc[min(1, len(counts) - 1)])
    return (
        f"min_dupes = {options.min_dupes} leaves {left}: with min_text = {options.min_text} the most duplicates that a "
        f"question has are {int(counts.iloc[0])}, then {second}; lower min_dupes or min_text."
    )


def _statistics(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    texts = tables["texts"]
    parts = texts["part"].value_counts()
    return {
        "questions": len(tables["questions"]),
        "duplicates": {part: int(parts.get(part, 0)) for part in ("train", "tune", "test")},
        "pairs": len(tables["pairs"]),
        "duplicates_per_question": _spread(texts["question"].value_counts()),
        "question_characters": _spread(tables["questions"]["text"].str.len()),
        "duplicate_characters": _spread(texts["text"].str.len()),
        "texts_under_several_questions": int((texts.groupby("key")["question"].nunique() > 1).sum()),
    }


def _spread(values: pd.Series) -> dict[str, float]:
    return {"min": float(values.min()), "median": float(values.median()), "max": float(values.max())}
