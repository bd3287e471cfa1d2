"""The yardstick: data preparation and training as the reference implementation (Microsoft, 2019) does them.

Written anew from a description of what the reference does, at its cost: every pair is a row of text that is made and
vectorised on its own, and the metric is computed in Python after every tree.
"""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.measured.phases import Phases
from benchmarks.measured.training import scores_on_test
from retuner_training.dataset import load_tables
from retuner_training.faq.clean import clean
from retuner_training.split import split_parts

Floats = npt.NDArray[np.float64]


def pair_row_by_row(*, raw: str, folder: str, match: int) -> dict[str, Any]:
    """Prepare the data with one selection, one sample and one join of data frames per text; returns row counts.

    Training texts are paired with their question and `match - 1` random others, tune and test texts with all; the
    pairs are written as text into `folder`.
    """
    questions, duplicates = _read(raw, "orig-q.tsv.gz"), _read(raw, "dup-q.tsv.gz")
    codes = duplicates["AnswerId"].map({answer: code for code, answer in enumerate(questions["AnswerId"])})
    parts = split_parts(duplicates["Text"], codes.to_numpy(np.int32), seed=0)
    pairs = {part: duplicates[parts == part].merge(questions, how="cross") for part in ("tune", "test")}
    pairs["train"] = _train_pairs(duplicates[parts == "train"], questions, match)
    for part, rows in pairs.items():
        rows.to_csv(Path(folder) / f"{part}.tsv", sep="\t", index=False)
    return {part: len(rows) for part, rows in pairs.items()}


def _train_pairs(duplicates: pd.DataFrame, questions: pd.DataFrame, match: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frames = [duplicates.merge(questions, on="AnswerId", suffixes=("_x", "_y")).assign(n=0)]
    for label in duplicates.index:
        duplicate = duplicates.loc[[label]]
        others = questions[questions["AnswerId"] != duplicate["AnswerId"].iloc[0]]
        others = others.sample(min(match - 1, len(others)), random_state=random)
        frames.append(duplicate.merge(others, how="cross").assign(n=range(1, len(others) + 1)))
    return pd.concat(frames, ignore_index=True)


def _read(raw: str, name: str) -> pd.DataFrame:
    columns = ["Id", "AnswerId", "Text0", "CreationDate"]
    rows = pd.read_csv(Path(raw) / name, sep="\t", header=None, names=columns, keep_default_na=False, quoting=3)
    return rows.assign(Text=clean(rows["Text0"])).drop(columns="Text0")


def train(*, dataset: str, trees: int, match: int = 20, ngrams: int = 1, least: int = 20) -> dict[str, Any]:
    """One trial of the reference: gains on the test part, and the CPU seconds of each phase.

    The gains are computed afterwards, by the same code as ours, ties averaged.
    """
    tables = load_tables(Path(dataset))
    phases = Phases()
    with phases.measure("pairs as text"):
        pairs = tables["pairs"][tables["pairs"]["n"] < match]
        train_rows = _text_pairs(tables, pairs["text"].to_numpy(), pairs["question"].to_numpy())
        matches = (pairs["n"] == 0).to_numpy()
        tune, own = _all_pairs(tables, "tune")
    with phases.measure("TF-IDF of every pair"):
        vectorizers = [TfidfVectorizer(ngram_range=(1, ngrams)) for _ in range(2)]
        features = sparse.hstack([v.fit_transform(train_rows[n]) for v, n in zip(vectorizers, train_rows, strict=True)])
        tune_features = _features(vectorizers, tune)
    model = lightgbm.LGBMClassifier(
        n_estimators=trees, min_child_samples=least, class_weight="balanced", n_jobs=1, verbosity=-1
    )

    def python_gain(labels: Floats, scores: Floats) -> tuple[str, float, bool]:
        with phases.measure("metric at every tree"):
            return "gain@1", _gain_at_1(scores.reshape(len(own), -1), own), True

    with phases.measure("trees"):
        labels = _labels(own, len(tables["questions"]))
        model.fit(features.tocsr(), matches, eval_X=tune_features.tocsr(), eval_y=labels, eval_metric=python_gain)
    cpu = phases.seconds
    test, own = _all_pairs(tables, "test")
    raw = model.predict(_features(vectorizers, test).tocsr(), raw_score=True)
    return {"phases": cpu, "cpu": sum(cpu.values()), "test": scores_on_test(np.asarray(raw).reshape(len(own), -1), own)}


def _text_pairs(tables: dict[str, pd.DataFrame], text: npt.NDArray[Any], question: npt.NDArray[Any]) -> pd.DataFrame:
    texts, questions = (tables[name]["text"].to_numpy() for name in ("texts", "questions"))
    return pd.DataFrame({"text_x": texts[text].astype(object), "text_y": questions[question].astype(object)})


def _all_pairs(tables: dict[str, pd.DataFrame], part: str) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    rows = np.flatnonzero(tables["texts"]["part"] == part)
    count = len(tables["questions"])
    own = tables["texts"]["question"].to_numpy()[rows]
    return _text_pairs(tables, np.repeat(rows, count), np.tile(np.arange(count), len(rows))), own


def _features(vectorizers: list[TfidfVectorizer], rows: pd.DataFrame) -> sparse.spmatrix:
    return sparse.hstack([v.transform(rows[name]) for v, name in zip(vectorizers, rows, strict=True)])


def _labels(own: npt.NDArray[np.int64], questions: int) -> npt.NDArray[np.int64]:
    return (np.arange(questions) == own[:, None]).ravel().astype(np.int64)


def _gain_at_1(scores: Floats, own: npt.NDArray[np.int64]) -> float:
    """Text by text, as the reference ranks them; of equal scores the own question's counts as the best."""
    hits = 0
    for row, question in zip(scores, own, strict=True):
        ranked = np.sort(row)[::-1]
        hits += int(np.flatnonzero(ranked == row[question])[0] == 0)
    return hits / len(own)
