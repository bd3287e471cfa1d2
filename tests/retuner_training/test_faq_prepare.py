"""Raw files to tables: filters, split and pairs."""

from collections import Counter
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from raw_faq import DUPLICATES, OPTIONS, QUESTIONS, read_rows, write_faq, write_rows

from retuner_training.faq.clean import clean
from retuner_training.faq.pairs import make_pairs
from retuner_training.faq.prepare import prepare
from retuner_training.faq.sample import write_sample
from retuner_training.split import split_parts


@pytest.fixture
def source(tmp_path):
    return write_faq(tmp_path / "raw")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, questions=40, duplicates=700, seed=3)
    return folder


# --- tables


def test_the_tables_have_the_columns_and_types_that_recipes_rely_on(source):
    tables, _ = prepare(source, OPTIONS)
    types = {name: {column: str(kind) for column, kind in table.dtypes.items()} for name, table in tables.items()}
    assert types == {
        "questions": {"id": "int64", "text": "str", "shown": "str", "answer": "str", "key": "uint64"},
        "texts": {"id": "int64", "text": "str", "question": "int32", "part": "str", "key": "uint64"},
        "pairs": {"text": "int32", "question": "int32", "n": "int16"},
    }


def test_questions_are_ordered_by_id_and_shown_as_written(source):
    rows = read_rows(source / QUESTIONS)
    rows[0][2] = "<p>Why  NaN &lt; 1?</p>"
    write_rows(source / QUESTIONS, rows[::-1])
    questions = prepare(source, OPTIONS)[0]["questions"]
    assert questions["id"].tolist() == [10, 11, 12, 13]
    assert questions["shown"][0] == "Why NaN < 1?"
    assert questions["answer"].tolist() == ["It is 0.", "It is 1.", "It is 2.", "It is 3."]


def test_filters_and_split_equal_those_made_row_by_row(sample):
    options = {"min_text": 230, "min_dupes": 14, "match": 5, "split_seed": 7}
    tables, statistics = prepare(sample, options)
    expected = slow_prepare(sample, options)
    questions, texts = tables["questions"], tables["texts"]
    assert dict(zip(questions["id"], questions["text"], strict=True)) == expected["questions"]
    found = zip(texts["id"], texts["text"], questions["id"][texts["question"]], texts["part"], strict=True)
    assert {row[0]: row[1:] for row in found} == expected["texts"]
    left_out = statistics["left_out"]
    assert all(left_out.values()), "every filter has something to do here"
    assert len(texts) == 700 - left_out["duplicates_too_short"] - left_out["duplicates_of_left_out_questions"]


def slow_prepare(folder, options):
    """The same in loops that follow the description, one row at a time."""
    questions, texts = {}, {}
    for number, answer, text, _ in read_rows(folder / QUESTIONS):
        text = clean(pd.Series([text]))[0]
        if len(text) >= options["min_text"]:
            questions[answer] = (int(number), text, [])
    for number, answer, text, _ in read_rows(folder / DUPLICATES):
        text = clean(pd.Series([text]))[0]
        if len(text) >= options["min_text"] and answer in questions:
            questions[answer][2].append((int(number), text))
    kept = [question for question in questions.values() if len(question[2]) >= options["min_dupes"]]
    for number, _, duplicates in kept:
        seed = options["split_seed"]
        order = sorted(duplicates, key=lambda row: sha256(f"{seed}\n{row[1]}".encode()).digest())
        places = [int.from_bytes(sha256(f"{seed}\n{text}".encode()).digest()[:8]) / 2**64 for _, text in order]
        tests = max(1, sum(place < 0.1 for place in places))
        tunes = max(1, sum(place < 0.2 for place in places) - tests)
        for position, (row, text) in enumerate(order):
            part = "test" if position < tests else "tune" if position < tests + tunes else "train"
            texts[row] = (text, number, part)
    return {"questions": {number: text for number, text, _ in kept}, "texts": texts}


def test_preparing_twice_gives_the_same_tables(sample):
    first, second = (prepare(sample, {"match": 5})[0] for _ in range(2))
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name])


# --- pairs


def test_each_training_text_is_paired_with_its_own_question_first_and_distinct_others(sample):
    tables, _ = prepare(sample, {"match": 6})
    texts, pairs = tables["texts"], tables["pairs"]
    assert sorted(set(pairs["text"])) == np.flatnonzero(texts["part"] == "train").tolist()
    for text, rows in pairs.groupby("text"):
        assert rows["n"].tolist() == [0, 1, 2, 3, 4, 5]
        assert rows["question"].iloc[0] == texts["question"][text]
        assert rows["question"].nunique() == 6
        assert rows["question"].between(0, len(tables["questions"]) - 1).all()


def test_with_few_questions_each_text_is_paired_with_all_of_them(source):
    pairs = prepare(source, {**OPTIONS, "match": 20})[0]["pairs"]
    assert set(pairs.groupby("text")["question"].agg(frozenset)) == {frozenset(range(4))}
    assert pairs["n"].max() == 3


def test_each_place_among_the_others_is_uniform():
    texts = np.arange(20_000, dtype=np.int32)
    pairs = make_pairs(texts, np.full(20_000, 2, dtype=np.int32), questions=6, match=4, seed=0)
    for place in (1, 2, 3):
        counts = pairs.loc[pairs["n"] == place, "question"].value_counts()
        assert set(counts.index) == {0, 1, 3, 4, 5}
        assert ((counts - 4000).abs() < 5 * np.sqrt(20_000 * 0.2 * 0.8)).all()


# --- split


def split(texts, question, seed=0):
    return split_parts(pd.Series(texts), np.asarray(question, dtype=np.int32), seed=seed)


def test_about_a_tenth_each_is_for_testing_and_tuning():
    parts = Counter(split([f"text {i}" for i in range(20_000)], [0] * 20_000))
    assert abs(parts["test"] - 2000) < 200
    assert abs(parts["tune"] - 2000) < 200


def test_every_question_has_a_test_and_a_tune_text_even_with_three():
    question = np.repeat(np.arange(200), 3)
    parts = pd.Series(split([f"text {i}" for i in range(600)], question)).groupby(question).agg(Counter)
    assert all(count["test"] >= 1 and count["tune"] >= 1 for count in parts)


def test_another_seed_gives_another_split():
    texts = [f"text {i}" for i in range(500)]
    assert (split(texts, [0] * 500, seed=0) != split(texts, [0] * 500, seed=1)).sum() > 50


def test_no_text_comes_closer_to_the_test_set_when_a_question_gets_more_duplicates():
    """Growth can only push the lowest text of a question from test to tune to train, never the other way."""
    order = {"test": 0, "tune": 1, "train": 2}
    moved = 0
    for seed in range(100):
        texts = [f"text {i}" for i in range(60)]
        before, after = split(texts[:20], [0] * 20, seed), split(texts, [0] * 60, seed)[:20]
        assert all(order[new] >= order[old] for old, new in zip(before, after, strict=True))
        moved += (before != after).sum()
    assert moved < 100, "of 2000 texts, only fallbacks of questions without a text in the range may move"


def test_a_text_keeps_its_part_when_its_question_has_natural_test_and_tune_texts():
    texts = [f"text {i}" for i in range(3000)]
    assert (split(texts, [0] * 3000)[:1000] == split(texts[:1000], [0] * 1000)).all()


def test_a_new_question_changes_nothing_for_the_others():
    texts, question = [f"text {i}" for i in range(200)], np.repeat(np.arange(10), 20)
    grown = split([*texts, *[f"new {i}" for i in range(20)]], [*question, *[10] * 20])
    assert (grown[:200] == split(texts, question)).all()


def test_equal_texts_are_in_one_part_within_and_across_questions():
    random = np.random.default_rng(0)
    texts = [f"text {i}" for i in random.integers(0, 300, 900)]
    question = random.integers(0, 40, 900)
    parts = pd.DataFrame({"text": texts, "part": split(texts, question), "question": question})
    assert parts.groupby("text")["part"].nunique().max() == 1
    per_question = parts.groupby("question")["part"].agg(set)
    assert all({"test", "tune"} <= found for found in per_question)
