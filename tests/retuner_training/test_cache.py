"""Work that trainings share: the same results with and without files, whatever happens to the files."""

import io
import multiprocessing
import os
import pickle
import stat
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from faq_tables import make_tables
from sklearn.feature_extraction.text import CountVectorizer

from retuner_training import cache
from retuner_training.cache import fingerprint, once, shared_work
from retuner_training.faq.ranker import recipe
from retuner_training.progress import Progress
from retuner_training.recipe import Resources, load_recipe

PARAMETERS = {"trees": 15, "dimensions": 64}
REFERENCE = {"name": "faq_reference", "trees": 100, "ngrams": 2, "match": 8}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RETUNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def tables():
    return make_tables(noise=0.1)


class Counted:
    """A computation that counts its calls."""

    def __init__(self, result):
        self.result, self.calls = result, 0

    def __call__(self):
        self.calls += 1
        return self.result


def entries(folder):
    return sorted(folder.glob("*.entry"))


class Contents(pickle.Pickler):
    """Writes what a model holds, without the address of None that scikit-learn keeps in a vectoriser."""

    def reducer_override(self, value):
        if isinstance(value, CountVectorizer):
            return dict, ({name: part for name, part in vars(value).items() if name != "_stop_words_id"},)
        return NotImplemented


def bits(model):
    """The model as bytes in which nothing tells whether equal values are one object."""
    content = io.BytesIO()
    pickler = Contents(content)
    pickler.fast = True
    pickler.dump(model)
    return content.getvalue()


def train(tables, file, *, name="faq_ranker", **parameters):
    """Values of the reports, scores of the tune part, and the model as bytes; saves the model."""
    progress, recipe = Progress(), load_recipe(name)
    values = parameters if name == "faq_reference" else {**PARAMETERS, **parameters}
    model = recipe.fit(tables, values, progress, Resources())
    scores = recipe.score(model, tables, "tune")
    joblib.dump(model, file)
    return progress.reports, scores.to_dict("list"), bits(model)


def train_elsewhere(argument):
    tables, file = argument
    return train(tables, file)


def test_a_result_is_computed_once(folder):
    compute = Counted({"numbers": np.arange(5), "word": "a"})
    with shared_work(threads=1):
        first, second = once(compute, "a", 1), once(compute, "a", 1)
    assert compute.calls == 1
    assert second["numbers"].tolist() == first["numbers"].tolist()
    assert second["word"] == "a"
    with pytest.raises(ValueError, match="read-only"):
        second["numbers"][0] = 7


@pytest.mark.parametrize("other", [("a", 2), ("b", 1), ("a", np.int64(1)), ("a", 1, 1), ("a1",)])
def test_other_parts_are_another_result(folder, other):
    with shared_work(threads=1):
        assert once(lambda: "one", "a", 1) == "one"
        assert once(lambda: "other", *other) == "other"


def test_another_number_of_threads_is_another_result(folder):
    for threads in (1, 2):
        with shared_work(threads=threads):
            assert once(lambda number=threads: number, "a") == threads


def test_another_version_of_the_code_is_another_result(folder, monkeypatch):
    with shared_work(threads=1):
        once(lambda: "old", "a")
        monkeypatch.setattr(cache, "_code", lambda: "changed")
        assert once(lambda: "new", "a") == "new"


def test_texts_labels_and_order_count_in_a_fingerprint():
    frame = pd.DataFrame({"text": ["a", "b", None], "number": [1, 2, 3]})
    others = [frame.iloc[::-1], frame.assign(number=[1, 2, 4]), frame.assign(text=["a", "b", ""]), frame[["text"]]]
    marks = {fingerprint(one) for one in [frame, *others]}
    assert len(marks) == 5
    assert fingerprint(frame.set_index(pd.Index([7, 8, 9])).astype({"text": "category"})) in marks


def test_nothing_is_kept_outside_of_a_training(folder, tables):
    compute = Counted(1)
    assert [once(compute, "a"), once(compute, "a")] == [1, 1]
    assert compute.calls == 2
    model = recipe.fit(tables, PARAMETERS, Progress(), Resources())
    kept = entries(folder)
    recipe.answer(model, "how do i bado", top=2)
    recipe.score(model, tables, "test")
    assert entries(folder) == kept


@pytest.mark.parametrize("other", [{}, REFERENCE], ids=["faq_ranker", "faq_reference"])
def test_a_model_is_the_same_bit_for_bit_with_and_without_kept_results(folder, tables, tmp_path, monkeypatch, other):
    first, second = train(tables, tmp_path / "first", **other), train(tables, tmp_path / "second", **other)
    monkeypatch.setenv("RETUNER_CACHE", "off")
    without = train(tables, tmp_path / "without", **other)
    assert first == without
    assert second == without


def test_two_processes_that_fill_it_at_once_give_the_same_model(folder, tables, tmp_path, monkeypatch):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        both = pool.map(train_elsewhere, [(tables, tmp_path / "1"), (tables, tmp_path / "2")], chunksize=1)
    assert not list(folder.glob("*.part"))
    monkeypatch.setenv("RETUNER_CACHE", "off")
    assert both == [train(tables, tmp_path / "without")] * 2


def test_trials_share_what_their_hyperparameters_do_not_change(folder, tables, tmp_path):
    """Four entries a setting: two parts, of the training pairs and of the tune part's."""
    train(tables, tmp_path / "model")
    assert len(entries(folder)) == 4
    train(tables, tmp_path / "model", trees=20, neighbours=7, num_leaves=7)
    assert len(entries(folder)) == 4
    train(tables, tmp_path / "model", character_share=0.3)
    assert len(entries(folder)) == 6
    train(tables, tmp_path / "model", word_ngrams=1)
    assert len(entries(folder)) == 10


def test_trials_of_the_reference_share_their_texts(folder, tables, tmp_path):
    """Three entries a number of words: the vocabularies, the rows of the training texts and of the tune part's."""
    train(tables, tmp_path / "model", **REFERENCE)
    assert len(entries(folder)) == 3
    train(tables, tmp_path / "model", **{**REFERENCE, "trees": 200, "match": 3, "weighted": False})
    assert len(entries(folder)) == 3
    train(tables, tmp_path / "model", **{**REFERENCE, "ngrams": 1})
    assert len(entries(folder)) == 6


def test_a_saved_model_needs_no_kept_results(folder, tables, tmp_path):
    train(tables, tmp_path / "filled")
    train(tables, tmp_path / "model")
    for entry in entries(folder):
        entry.unlink()
    code = "import joblib, sys; print(joblib.load(sys.argv[1]).answer('how do i bado', top=1)[0]['id'])"
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "model")]
    environment = {**os.environ, "RETUNER_CACHE": "off"}
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def cut(entry):
    entry.write_bytes(entry.read_bytes()[:-9])


def empty(entry):
    entry.write_bytes(b"")


def flip(entry):
    content = bytearray(entry.read_bytes())
    content[-3] ^= 1
    entry.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, empty, flip])
def test_a_damaged_entry_is_made_anew(folder, damage, monkeypatch):
    monkeypatch.setattr(cache, "_verified", set())  # as in a new process
    compute = Counted(np.arange(1000))
    with shared_work(threads=1):
        for calls in (1, 2):
            assert once(compute, "a").sum() == 499500
            assert compute.calls == calls
            damage(entries(folder)[0])
            cache._verified.clear()
        assert once(compute, "a").sum() == 499500
        assert once(compute, "a").sum() == 499500
    assert compute.calls == 3


def test_the_least_recently_used_entries_make_room(folder, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 20_000)
    with shared_work(threads=1):
        for number, name in enumerate("abc"):
            once(lambda: np.zeros(6_000, dtype=np.uint8), name)
            os.utime(max(entries(folder), key=lambda entry: entry.stat().st_mtime), (number, number))
        once(lambda: pytest.fail("a is kept"), "a")  # which is now the most recently used
        once(lambda: np.zeros(6_000, dtype=np.uint8), "d")
        for name in "acd":
            once(lambda name=name: pytest.fail(f"{name} is kept"), name)
        assert once(lambda: "removed", "b") == "removed"
    assert sum(entry.stat().st_size for entry in folder.iterdir()) <= 20_000


def put_old_file(folder, name):
    folder.mkdir()
    (folder / name).write_bytes(bytes(9_000))
    os.utime(folder / name, (0, 0))


def test_what_a_killed_process_left_behind_is_removed_in_time(folder, monkeypatch):
    put_old_file(folder, ".x.part")
    monkeypatch.setattr(cache, "MOST_BYTES", 10_000)
    with shared_work(threads=1):
        once(lambda: np.zeros(6_000, dtype=np.uint8), "a")
    assert [file.suffix for file in folder.iterdir()] == [".entry"]


def test_files_of_others_stay_where_they_are(folder, monkeypatch):
    put_old_file(folder, "data.parquet")
    monkeypatch.setattr(cache, "MOST_BYTES", 8_000)
    with shared_work(threads=1):
        for name in "ab":
            once(lambda: np.zeros(6_000, dtype=np.uint8), name)
    assert len(entries(folder)) == 1
    assert (folder / "data.parquet").exists()


def test_an_entry_in_use_may_be_removed(folder):
    with shared_work(threads=1):
        once(lambda: np.arange(100_000), "a")
        numbers = once(lambda: np.arange(100_000), "a")
    entries(folder)[0].unlink()
    assert numbers.sum() == 4999950000


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RETUNER_CACHE", str(tmp_path / "file" / "cache"))
    compute = Counted(1)
    with shared_work(threads=1):
        assert [once(compute, "a"), once(compute, "a")] == [1, 1]
    assert compute.calls == 2


def test_the_default_folder_is_the_user_s_own(tmp_path, monkeypatch):
    monkeypatch.delenv("RETUNER_CACHE", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with shared_work(threads=1):
        once(lambda: 1, "a")
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_somebody_else_may_fill_is_not_read(tmp_path, monkeypatch):
    """Entries are pickles: reading one runs what it names."""
    monkeypatch.delenv("RETUNER_CACHE", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"retuner-cache-{os.getuid()}").symlink_to(elsewhere)
    with shared_work(threads=1):
        once(lambda: 1, "a")
    assert not list(elsewhere.iterdir())
