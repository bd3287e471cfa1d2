"""What both FAQ recipes share: the data, the metric, the reports, the answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from retuner_training.cache import fingerprint, shared_work
from retuner_training.errors import InvalidInput
from retuner_training.faq.frames import COLUMNS, cross_frames, pair_frame
from retuner_training.faq.metric import gains
from retuner_training.faq.model import FaqModel, Tuned
from retuner_training.faq.options import OWN_OPTIONS
from retuner_training.progress import Progress
from retuner_training.recipe import (
    CANDIDATES,
    Dimension,
    Mistake,
    Objective,
    Parameters,
    Part,
    Resources,
    Tables,
    wrong_rows,
)
from retuner_training.threads import limited_threads

METRICS = ("gain@1", "gain@2", "gain@3")
OBJECTIVE = Objective("gain@1")
_REPORT_PAIRS = 1_000_000
"""Pairs that a report looks at; of a larger tune part it takes a fixed sample of the texts."""


class FaqRecipe(ABC):
    """Fits `pipeline`, two steps named features and trees, on the pairs of the train part."""

    name: str
    search_space: Mapping[str, Dimension]
    period: int
    objective = OBJECTIVE
    metrics: tuple[str, ...] = METRICS
    files: tuple[str, ...] = ("orig-q.tsv.gz", "dup-q.tsv.gz", "ans.tsv.gz")
    addresses: Mapping[str, str] = {"stackoverflow": "https://bostondata.blob.core.windows.net/stackoverflow"}

    options: Mapping[str, Any] = OWN_OPTIONS

    @abstractmethod
    def pipeline(self, parameters: Parameters, resources: Resources) -> Pipeline:
        """From a data frame of pairs (`text_x`, `text_y`) to the probability that they match."""

    @abstractmethod
    def final_parameters(self, best: Parameters) -> dict[str, Any]:
        """Hyperparameters of the final training, from the best trial's."""

    @abstractmethod
    def match(self, parameters: Parameters) -> int:
        """Questions per training text, its own among them; where the dataset holds fewer pairs, all are taken."""

    def signature(self, statistics: Mapping[str, Any]) -> dict[str, Any]:
        """Two raw texts, and the probability that they match."""
        return {"inputs": [{"name": name, "type": "string"} for name in COLUMNS], "output": "double"}

    def sample(self, folder: Path, *, seed: int = 0) -> None:
        """Write the bundled sample as raw files into `folder`."""
        from retuner_training.faq.sample import write_sample  # late, like prepare: answering needs neither

        write_sample(folder, seed=seed)

    def prepare(self, source: Path, options: Mapping[str, Any]) -> tuple[Tables, dict[str, Any]]:
        """Tables and statistics from the raw files in `source`: see `retuner_training.faq.prepare`."""
        from retuner_training.faq.prepare import prepare

        return prepare(source, options)

    def fit(self, tables: Tables, parameters: Parameters, progress: Progress, resources: Resources) -> FaqModel:
        """Fit on the train part; report the objective on the tune part every `period` trees."""
        pipeline = self.pipeline(parameters, resources)
        texts, questions, pairs = tables["texts"], tables["questions"], tables["pairs"]
        pairs = pairs[pairs["n"] < self.match(parameters)]
        frame = pair_frame(texts["text"], questions["text"], pairs["text"].to_numpy(), pairs["question"].to_numpy())
        matches = (pairs["n"] == 0).to_numpy()
        with limited_threads(resources.threads), shared_work(threads=resources.threads):
            features = pipeline["features"].fit_transform(frame, matches)
            progress.check()
            reports = _TuneReports(pipeline, tables, progress)
            pipeline["trees"].fit(features, matches, report=reports, period=self.period)
            pipeline["trees"].calibrate(*reports.scored_pairs())
        return FaqModel(pipeline, questions[["id", "text", "shown", "answer", "key"]], reports.tuned())

    def score(self, model: FaqModel, tables: Tables, part: Part) -> pd.DataFrame:
        """Every text of the part ranks the current questions: `metrics`, `key` and `known` per text.

        A question that the model does not know cannot be answered with: its texts score 0.
        """
        texts, questions = _rows(tables, part), tables["questions"]
        own = texts["question"].to_numpy()
        known = np.isin(questions["key"].to_numpy()[own], model.questions["key"].to_numpy())
        if model.tuned is not None and model.tuned.part == _fingerprint(texts, questions):
            values = model.tuned.gains
        else:
            values = self._gains(model, texts, questions["text"])
        values = np.where(known[:, None], values, 0)
        scored = pd.DataFrame(values, columns=list(self.metrics))
        return scored.assign(key=texts["key"].to_numpy(), known=known)

    def _gains(self, model: FaqModel, texts: pd.DataFrame, questions: pd.Series) -> npt.NDArray[np.float64]:
        own, values = texts["question"].to_numpy(), np.empty((len(texts), len(self.metrics)))
        for rows, scores in model.scores(texts["text"], questions):
            values[rows] = gains(scores, own[rows], most=len(self.metrics))
        return values

    def seen(self, tables: Tables) -> pd.Series:
        """Keys of the texts of the train and tune parts."""
        texts = tables["texts"]
        return texts.loc[texts["part"] != "test", "key"].reset_index(drop=True)

    def mistakes(
        self, model: FaqModel, tables: Tables, scores: pd.DataFrame, *, part: Part, most: int
    ) -> list[Mistake]:
        """Texts whose question is not the best scored, with the three questions that are."""
        texts, questions = _rows(tables, part), tables["questions"]
        given = texts.iloc[wrong_rows(scores, OBJECTIVE.metric, most=most)]
        found: list[Mistake] = []
        for rows, values in model.scores(given["text"], questions["text"]):
            found += [
                _mistake(text, own, row, questions["shown"])
                for text, own, row in zip(given["text"][rows], given["question"][rows], values, strict=True)
            ]
        return found

    def answer(self, model: FaqModel, text: str, *, top: int) -> list[dict[str, Any]]:
        """The `top` best questions: id, question, answer, probability."""
        return model.answer(text, top=top)


class _TuneReports:
    """Ranks the tune part as training goes on: each report adds the scores of the trees that are new."""

    def __init__(self, pipeline: Pipeline, tables: Tables, progress: Progress) -> None:
        questions = tables["questions"]["text"]
        part = _rows(tables, "tune")
        first = np.argsort(part["key"].to_numpy(), kind="stable")[: max(1, _REPORT_PAIRS // len(questions))]
        texts = part.iloc[np.sort(first)]
        self._part = _fingerprint(part, tables["questions"]) if len(texts) == len(part) else None
        self._own = texts["question"].to_numpy()
        self._features = [pipeline["features"].transform(frame) for _, frame in cross_frames(texts["text"], questions)]
        self._scores = [np.zeros(features.shape[0]) for features in self._features]
        self._pipeline = pipeline
        self._trees = 0
        self._progress = progress

    def __call__(self, booster: lightgbm.Booster, trees: int) -> None:
        new = {"start_iteration": self._trees, "num_iteration": trees - self._trees}
        threads = self._pipeline["trees"].threads
        for features, scores in zip(self._features, self._scores, strict=True):
            scores += booster.predict(features, raw_score=True, num_threads=threads, **new)
        self._trees = trees
        self._progress.report(trees, self._value())

    def scored_pairs(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Raw score of every pair so far, and whether the pair matches."""
        scores = self._matrix()
        return scores.ravel(), (np.arange(scores.shape[1]) == self._own[:, None]).ravel()

    def tuned(self) -> Tuned | None:
        """What `score` would find now; None where the reports look at a sample of the texts."""
        if self._part is None:
            return None
        matches = self._pipeline["trees"].probabilities(self._matrix())
        return Tuned(self._part, gains(matches, self._own, most=len(METRICS)))

    def _matrix(self) -> npt.NDArray[np.float64]:
        return np.concatenate(self._scores).reshape(len(self._own), -1)

    def _value(self) -> float:
        scores = self._matrix()
        place = METRICS.index(OBJECTIVE.metric)
        return float(gains(scores, self._own, most=place + 1)[:, place].mean())


def _mistake(text: str, own: int, scores: npt.NDArray[np.float64], questions: pd.Series) -> Mistake:
    best = np.argsort(-scores, kind="stable")[:CANDIDATES]
    return {
        "given": text,
        "expected": str(questions.iloc[own]),
        "place": 1 + int((scores > scores[own]).sum()),
        "preferred": [{"answer": str(questions.iloc[one]), "probability": float(scores[one])} for one in best],
    }


def _fingerprint(texts: pd.DataFrame, questions: pd.DataFrame) -> str:
    """Of all that the gains of texts depend on beside the model."""
    return fingerprint(texts[["key", "question"]], questions["key"])


def _rows(tables: Tables, part: Part) -> pd.DataFrame:
    texts = tables["texts"]
    rows = texts[texts["part"] == part]
    if rows.empty:
        raise InvalidInput(f"The dataset has no text in its {part} part: prepare it again with more duplicates.")
    return rows
