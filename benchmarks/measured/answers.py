"""Answering one question out of very many FAQs, from a model file as the registry hands it out."""

import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np

from retuner_training.dataset import load_tables
from retuner_training.model import load_model, save_model
from retuner_training.progress import Progress
from retuner_training.recipe import Resources, load_recipe

WORDS, OWN, PER_TEXT = 30_000, 8, 10


def write_faqs(*, folder: str, questions: int, duplicates: int) -> None:
    """Raw files of a made-up FAQ: every question has its own words, and each text also has frequent ones."""
    random = np.random.default_rng(0)
    own = random.integers(0, WORDS, size=(questions, OWN))

    def text(question: int) -> str:
        frequent = np.minimum(random.zipf(1.3, size=PER_TEXT // 2), WORDS) - 1
        chosen = random.choice(own[question], size=PER_TEXT - len(frequent), replace=False)
        return " ".join(_word(int(number)) for number in [*chosen, *frequent])

    asked = [(1_000_000 + q, 9_000_000 + q, text(q)) for q in range(questions)]
    repeated = [
        (2_000_000 + q * duplicates + d, 9_000_000 + q, text(q)) for q in range(questions) for d in range(duplicates)
    ]
    for name, rows in (("orig-q", asked), ("dup-q", repeated)):
        lines = "".join(f"{id_}\t{answer}\t{words}\t2026-01-01\n" for id_, answer, words in rows)
        (Path(folder) / f"{name}.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    answers = "".join(f"{9_000_000 + q}\tanswer {q}\n" for q in range(questions))
    (Path(folder) / "ans.tsv.gz").write_bytes(gzip.compress(answers.encode()))


def _word(number: int) -> str:
    """A word of syllables, so that its characters tell something too."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    word = ""
    for _ in range(3):
        number, place = divmod(number, len(syllables))
        word += syllables[place]
    return word


def train_model(*, dataset: str, parameters: dict[str, Any], file: str) -> dict[str, Any]:
    """Fit faq_ranker and save it as a final training does; without scoring all tune texts against all questions."""
    recipe = load_recipe("faq_ranker")
    model = recipe.fit(load_tables(Path(dataset)), parameters, Progress(), Resources())
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    save_model(Path(file), model, recipe="faq_ranker", parameters=parameters, metrics={})
    return {"megabytes": Path(file).stat().st_size / 1e6}


def ask(*, file: str, dataset: str, asked: int) -> dict[str, Any]:
    """Wall seconds of each of `asked` questions, those of the test part, answered one by one after a first one."""
    model = load_model(Path(file))
    texts = load_tables(Path(dataset))["texts"]
    questions = texts.loc[texts["part"] == "test", "text"].sample(asked + 1, random_state=0, replace=True).tolist()
    seconds = []
    for question in questions:
        started = time.monotonic()
        model.answer(question, top=3)
        seconds.append(time.monotonic() - started)
    return {"seconds": seconds[1:]}
