"""The synthetic FAQ: repeatable, of any size, past the default filters, and neither too easy nor too hard."""

import subprocess
import sys

import numpy as np
import pytest
from raw_faq import ANSWERS, DUPLICATES, QUESTIONS, read_rows
from sklearn.feature_extraction.text import TfidfVectorizer

from retuner_training.errors import InvalidInput
from retuner_training.faq.metric import gains
from retuner_training.faq.prepare import prepare
from retuner_training.faq.sample import write_sample
from retuner_training.faq.sample.entries import written_entries

FILES = (QUESTIONS, DUPLICATES, ANSWERS)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder)
    return folder


def test_the_default_sample_is_large_enough_after_the_default_filters(sample):
    _, statistics = prepare(sample, {})
    assert statistics["questions"] >= 150
    assert sum(statistics["duplicates"].values()) >= 3000
    assert not any(statistics["left_out"].values())


def test_another_process_writes_the_same_bytes(sample, tmp_path):
    code = (
        "import sys, pathlib; from retuner_training.faq.sample import write_sample as w; w(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=120)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (sample / name).read_bytes()


def test_another_seed_gives_other_texts_to_the_same_questions(sample, tmp_path):
    write_sample(tmp_path, seed=1)
    assert read_rows(tmp_path / ANSWERS) == read_rows(sample / ANSWERS)
    assert not {row[2] for row in read_rows(tmp_path / DUPLICATES)} & {row[2] for row in read_rows(sample / DUPLICATES)}


@pytest.mark.parametrize(("questions", "duplicates"), [(2, 2), (7, 100), (1000, 13_000)])
def test_a_sample_has_the_size_that_is_asked_for(tmp_path, questions, duplicates):
    write_sample(tmp_path, questions=questions, duplicates=duplicates)
    asked = read_rows(tmp_path / QUESTIONS)
    assert len(asked) == len({row[2].split(" <p>")[0] for row in asked}) == questions
    assert len(read_rows(tmp_path / DUPLICATES)) == duplicates
    assert len(read_rows(tmp_path / ANSWERS)) == questions


@pytest.mark.parametrize(("questions", "duplicates"), [(1, 50), (1_000_000, 2_000_000), (50, 49)])
def test_an_impossible_size_is_refused_with_its_number(tmp_path, questions, duplicates):
    with pytest.raises(InvalidInput, match=str(questions)):
        write_sample(tmp_path, questions=questions, duplicates=duplicates)
    assert not any(tmp_path.iterdir())


def test_the_sample_says_that_it_is_synthetic(sample):
    assert "synthetic" in (sample / "README.txt").read_text()


def test_every_entry_has_all_its_parts_in_the_form_that_the_templates_need():
    entries = written_entries()
    assert len({entry.question for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.question.endswith("?"), entry
        assert entry.answer.endswith("."), entry
        assert entry.code, entry
        assert len(entry.details) == 3, entry
        assert len(entry.topic.titles) >= 3, entry
        assert len(entry.phrases) >= 4, entry
        for phrase in entry.phrases:
            assert phrase.endswith("?") != phrase[0].islower(), f"{phrase!r} is neither verb phrase nor question"


def test_the_nearest_known_duplicates_find_most_questions_but_not_all(sample):
    """What a matcher without training reaches; a sample outside of these bounds would teach nothing."""
    tables, _ = prepare(sample, {})
    texts = tables["texts"]
    train, test = texts[texts["part"] == "train"], texts[texts["part"] == "test"]
    words = TfidfVectorizer(sublinear_tf=True)
    likeness = (words.fit_transform(train["text"]) @ words.transform(test["text"]).T).toarray()
    scores = np.zeros((len(test), len(tables["questions"])))
    for question, rows in enumerate(scores.T):
        rows[:] = np.sort(likeness[train["question"] == question], axis=0)[-3:].mean(axis=0)
    assert 0.6 < gains(scores, test["question"].to_numpy(), most=1).mean() < 0.9
