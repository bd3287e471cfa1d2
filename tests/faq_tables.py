"""A small FAQ as the tables of a dataset: every question has words of its own among words that all share."""

import numpy as np
import pandas as pd

from retuner_training.faq.clean import clean
from retuner_training.faq.pairs import make_pairs
from retuner_training.split import keys, split_parts

SYLLABLES = ("ba", "do", "ki", "lu", "me", "no", "pa", "ri", "su", "ta", "ve", "zo")
COMMON = ("how", "do", "i", "the", "a", "in", "of", "my", "is", "it", "with", "not", "when", "for", "can")


def make_tables(*, questions: int = 15, duplicates: int = 24, match: int = 8, noise: float = 0.0, seed: int = 0):
    """Tables with `questions` x `duplicates` texts; the share `noise` of them is written for another question."""
    random = np.random.default_rng(seed)
    topics = [_words(random, 5) for _ in range(questions)]
    asked = pd.DataFrame({"id": np.arange(questions) + 100, "shown": [_text(random, topic, 3) for topic in topics]})
    asked["shown"] = asked["shown"].str.capitalize() + "?"
    asked["text"] = clean(asked["shown"])
    asked["answer"] = [f"Answer {number}." for number in range(questions)]
    asked["key"] = keys(asked["text"])
    own = np.repeat(np.arange(questions, dtype=np.int32), duplicates)
    written_for = np.where(random.random(len(own)) < noise, random.integers(0, questions, len(own)), own)
    texts = pd.DataFrame({"id": np.arange(len(own)) + 1000, "question": own})
    texts["text"] = [_text(random, topics[topic], 2) for topic in written_for]
    texts["key"] = keys(texts["text"])
    texts["part"] = split_parts(texts["text"], own, seed=0)
    train = np.flatnonzero(texts["part"] == "train").astype(np.int32)
    pairs = make_pairs(train, own[train], questions=questions, match=match, seed=0)
    return {"questions": asked, "texts": texts, "pairs": pairs}


def _words(random: np.random.Generator, count: int) -> list[str]:
    return ["".join(random.choice(SYLLABLES, 3)) for _ in range(count)]


def _text(random: np.random.Generator, topic: list[str], of_topic: int) -> str:
    words = [*random.choice(COMMON, 5), *random.choice(topic, of_topic)]
    return " ".join(random.permutation(words))
