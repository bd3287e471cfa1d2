"""Datasets: named by content, made once, whole or not at all, and checked whenever they are opened."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pandas as pd
import pytest
from raw_faq import OPTIONS, write_faq

import retuner_training.dataset
from retuner.data.dataset import build_dataset, open_dataset
from retuner.data.sources import RawData, fetch
from retuner.errors import UserError
from retuner_training.dataset import load_tables
from retuner_training.errors import InvalidInput
from retuner_training.recipe import load_recipe

RECIPE = load_recipe("faq_ranker")


@pytest.fixture
def raw(tmp_path):
    return fetch(str(write_faq(tmp_path / "faq")), RECIPE, tmp_path / "raw")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def dataset(raw, home):
    return build_dataset(raw, RECIPE, OPTIONS, home)


def counting(recipe=RECIPE):
    """The recipe, with the number of times that it prepared."""
    counted = SimpleNamespace(name=recipe.name, prepared=0)

    def prepare(folder, options):
        counted.prepared += 1
        return recipe.prepare(folder, options)

    counted.prepare = prepare
    return counted


def inodes(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_the_manifest_tells_all_files_with_sums_and_sizes(dataset):
    manifest = json.loads((dataset.folder / "manifest.json").read_text())
    assert manifest["name"] == dataset.name == dataset.folder.name
    assert manifest["options"] == OPTIONS
    assert manifest["statistics"]["questions"] == 4
    assert sorted(manifest["files"]) == ["pairs.parquet", "questions.parquet", "texts.parquet"]
    assert all((dataset.folder / name).stat().st_size == file["bytes"] for name, file in manifest["files"].items())
    assert dataset.sums == {name: file["sha256"] for name, file in manifest["files"].items()}


def test_a_node_reads_back_the_tables_as_they_were(dataset, raw):
    expected, _ = RECIPE.prepare(raw.path, OPTIONS)
    tables = load_tables(dataset.folder)
    assert set(tables) == set(expected)
    for name, table in expected.items():
        pd.testing.assert_frame_equal(tables[name], table)


def test_columns_of_every_kind_are_read_as_pandas_reads_them(tmp_path):
    """A recipe of one's own may have any."""
    columns = {
        "day": pd.date_range("2026-03-01", periods=3, tz="Europe/Berlin"),
        "kind": pd.Categorical(["a", None, "b"]),
        "whole": pd.array([1, None, 3], dtype="Int64"),
        "words": pd.array(["one", None, "three"], dtype="str"),
        "anything": [b"1", None, b"3"],
        "lists": [[1], [], [2, 3]],
        "true": [True, False, True],
    }
    recipe = SimpleNamespace(name="toy", prepare=lambda folder, options: ({"rows": pd.DataFrame(columns)}, {}))
    made = build_dataset(RawData(tmp_path, {}), recipe, {}, tmp_path / "home")
    expected = pd.read_parquet(made.folder / "rows.parquet")
    pd.testing.assert_frame_equal(load_tables(made.folder)["rows"], expected)


def test_the_same_input_has_the_same_name_in_another_home(dataset, raw, tmp_path):
    again = build_dataset(raw, RECIPE, OPTIONS, tmp_path / "other home")
    assert again.name == dataset.name
    assert again.sums == dataset.sums


def test_another_process_gives_the_same_name(dataset, raw, tmp_path):
    assert build_elsewhere(raw, tmp_path / "other") == dataset.name


def build_elsewhere(raw, home, *, before=""):
    """Run `before` and build the dataset in a process of its own; its name, or what a person is told."""
    code = f"""
import sys
from pathlib import Path
from types import SimpleNamespace
from retuner.data.dataset import build_dataset
from retuner.data.sources import RawData
from retuner.errors import UserError
from retuner_training.faq.prepare import prepare
recipe = SimpleNamespace(name="elsewhere", prepare=prepare)
{before}
try:
    print(build_dataset(RawData(Path(sys.argv[1]), {{}}), recipe, {OPTIONS}, Path(sys.argv[2])).name)
except UserError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(raw.path), str(home)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


def test_other_options_or_other_data_have_another_name(dataset, home, raw, tmp_path):
    other_options = build_dataset(raw, RECIPE, {**OPTIONS, "split_seed": 1}, home)
    larger = fetch(str(write_faq(tmp_path / "larger", questions=5)), RECIPE, tmp_path)
    other_data = build_dataset(larger, RECIPE, OPTIONS, home)
    assert len({dataset.name, other_options.name, other_data.name}) == 3


def test_a_dataset_that_is_there_is_not_built_again(raw, home):
    recipe = counting()
    first = build_dataset(raw, recipe, OPTIONS, home)
    before = inodes(home)
    assert build_dataset(raw, recipe, OPTIONS, home) == first
    assert recipe.prepared == 1
    assert inodes(home) == before


def test_a_dataset_whose_folder_was_deleted_is_built_again(raw, home):
    recipe = counting()
    dataset = build_dataset(raw, recipe, OPTIONS, home)
    for file in dataset.folder.iterdir():
        file.unlink()
    dataset.folder.rmdir()
    assert build_dataset(raw, recipe, OPTIONS, home) == dataset
    assert recipe.prepared == 2


def test_an_unreadable_pointer_costs_only_the_preparing(raw, home):
    recipe = counting()
    dataset = build_dataset(raw, recipe, OPTIONS, home)
    (pointer,) = (home / "datasets" / "by-input").iterdir()
    pointer.write_text('{"data')
    before = inodes(dataset.folder)
    assert build_dataset(raw, recipe, OPTIONS, home) == dataset
    assert inodes(dataset.folder) == before


def test_changed_code_prepares_again(raw, home, tmp_path, monkeypatch):
    code = "from retuner_training.recipe import load_recipe\n\ndef prepare(folder, options):\n"
    code += "    return load_recipe('faq_ranker').prepare(folder, options)\n"
    module = tmp_path / "my_preparation.py"
    module.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    import my_preparation

    recipe = SimpleNamespace(name="mine", prepare=my_preparation.prepare)
    build_dataset(raw, recipe, OPTIONS, home)
    module.write_text(code + "# changed\n")
    build_dataset(raw, recipe, OPTIONS, home)
    assert len(list((home / "datasets" / "by-input").iterdir())) == 2
    assert len(list((home / "datasets").glob("dataset-*"))) == 1, "the content is the same"


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_file_is_named_with_what_to_do(dataset, raw, home, damage):
    file = dataset.folder / "texts.parquet"
    data = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(data[:-100])
        case "changed":
            file.write_bytes(data[:-100] + bytes(100))
        case "missing":
            file.unlink()
    for opened in (lambda: open_dataset(home, dataset.name), lambda: build_dataset(raw, RECIPE, OPTIONS, home)):
        with pytest.raises(UserError, match=rf"{file} .*delete the folder {dataset.folder}"):
            opened()
    with pytest.raises(InvalidInput, match=str(file)):
        load_tables(dataset.folder)


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}'])
def test_a_damaged_manifest_is_named(dataset, text):
    (dataset.folder / "manifest.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"manifest\.json"):
        load_tables(dataset.folder)


def test_a_folder_without_dataset_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=f"no dataset in {tmp_path}"):
        load_tables(tmp_path)


def test_a_process_reads_a_file_once_to_verify_it(dataset, monkeypatch):
    read = []
    summed = retuner_training.dataset.sha256_of
    monkeypatch.setattr(retuner_training.dataset, "sha256_of", lambda path: read.append(path) or summed(path))
    monkeypatch.setattr(retuner_training.dataset, "_verified", set())
    load_tables(dataset.folder)
    load_tables(dataset.folder)
    assert len(read) == 3
    os.utime(dataset.folder / "texts.parquet", ns=(1, 1))
    load_tables(dataset.folder)
    assert len(read) == 4


def test_tables_of_the_dataset_before_are_not_read_again_and_what_a_caller_changes_is_its_own(dataset, monkeypatch):
    read = []
    original = retuner_training.dataset._read_table
    monkeypatch.setattr(retuner_training.dataset, "_read_table", lambda file: read.append(file.name) or original(file))
    monkeypatch.setattr(retuner_training.dataset, "_kept", {})
    first = load_tables(dataset.folder)
    untouched = {name: table.copy() for name, table in first.items()}
    for table in first.values():
        values = table.iloc[:, -1].array  # which pandas does not guard
        values[:] = values[::-1].copy()
        table.iloc[:, 0] = table.iloc[::-1, 0].to_numpy()
        table["more"] = 1
    for name, table in load_tables(dataset.folder).items():
        pd.testing.assert_frame_equal(table, untouched[name])
    assert sorted(read) == sorted(f"{name}.parquet" for name in first)


def test_tables_of_one_dataset_are_kept_and_no_large_ones(tmp_path, raw, home, monkeypatch):
    kept = {}
    monkeypatch.setattr(retuner_training.dataset, "_kept", kept)
    for content in (1, 2):
        rows = pd.DataFrame({"key": [content] * 100})
        recipe = SimpleNamespace(name="r", prepare=lambda folder, options, rows=rows: ({"rows": rows}, {}))
        made = build_dataset(raw, recipe, {**OPTIONS, "min_text": content}, home)
        load_tables(made.folder)
    assert [table["key"][0] for table in kept.values()] == [2]
    kept.clear()
    monkeypatch.setattr(retuner_training.dataset, "_KEPT_BYTES", 700)
    assert len(load_tables(made.folder)["rows"]) == 100
    assert kept == {}


def test_a_table_of_lists_is_read_anew_since_a_list_can_be_changed_in_place(tmp_path, raw, home):
    rows = pd.DataFrame({"key": [1, 2], "words": [["a"], ["b"]]})
    recipe = SimpleNamespace(name="r", prepare=lambda folder, options: ({"rows": rows}, {}))
    made = build_dataset(raw, recipe, OPTIONS, home)
    load_tables(made.folder)["rows"]["words"][0][:] = "changed"
    assert load_tables(made.folder)["rows"]["words"][0].tolist() == ["a"]


def test_unusable_raw_data_is_for_the_user_and_leaves_nothing(raw, home):
    with pytest.raises(UserError, match="min_text = 999 leaves no question"):
        build_dataset(raw, RECIPE, {**OPTIONS, "min_text": 999}, home)
    assert not home.exists()


def test_a_public_source_is_prepared_without_its_faulty_rows(raw, home):
    seen = []

    def prepare(folder, options):
        seen.append(options.get("faulty_rows", "refuse"))
        return {"rows": pd.DataFrame({"key": [len(seen)]})}, {}

    recipe = SimpleNamespace(name="r", prepare=prepare)
    build_dataset(raw, recipe, OPTIONS, home)
    build_dataset(RawData(raw.path, raw.sums, public=True), recipe, OPTIONS, home)
    assert seen == ["refuse", "drop"]


def test_builders_at_the_same_time_agree(raw, home):
    with ThreadPoolExecutor(8) as pool:
        built = list(pool.map(lambda _: build_dataset(raw, RECIPE, OPTIONS, home), range(8)))
    assert len({dataset.name for dataset in built}) == 1
    assert sorted(path.name for path in (home / "datasets").iterdir()) == ["by-input", built[0].name]


def test_a_full_disk_is_for_the_user_and_leaves_nothing(raw, home):
    """A limit on the size of files stands for the full disk: the system refuses the write in the same place."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    told = build_elsewhere(raw, home, before=limit)
    assert f"{home / 'datasets'} cannot be written: the disk is full (" in told
    assert "make room" in told
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert not list((home / "datasets").iterdir())


def test_what_a_killed_builder_left_is_removed(raw, home):
    abandoned, fresh = home / "datasets" / ".unfinished-old", home / "datasets" / ".unfinished-new"
    for folder in (abandoned, fresh):
        folder.mkdir(parents=True)
    os.utime(abandoned, (0, 0))
    build_dataset(raw, RECIPE, OPTIONS, home)
    assert not abandoned.exists()
    assert fresh.exists()
