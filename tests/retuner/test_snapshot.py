"""The code that is shipped: the same code gives the same archive, and it works without a checkout."""

import os
import subprocess
import sys
import zipfile

import pytest

from retuner.compute import snapshot as module
from retuner.compute.snapshot import make_snapshot
from retuner.errors import UserError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A user's own package with what piles up in one."""
    root = tmp_path / "code" / "my_recipe"
    (root / "__pycache__").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "__init__.py").write_text("NAME = 'mine'\n")
    (root / "words.txt").write_text("a\nb\n")
    (root / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"cache")
    (root / ".git" / "config").write_text("secret")
    monkeypatch.syspath_prepend(tmp_path / "code")
    return root


def names(snapshot):
    with zipfile.ZipFile(snapshot.path) as archive:
        return archive.namelist()


def test_a_built_in_recipe_ships_the_training_package_alone(tmp_path):
    shipped = names(make_snapshot("faq_ranker", tmp_path))
    assert "retuner_training/run.py" in shipped
    assert {name.partition("/")[0] for name in shipped} == {"retuner_training"}


def test_a_user_s_package_is_shipped_with_its_data_and_without_caches_and_hidden_files(package, tmp_path):
    shipped = names(make_snapshot("my_recipe:recipe", tmp_path / "out"))
    own = [name for name in shipped if name.startswith("my_recipe/")]
    assert own == ["my_recipe/__init__.py", "my_recipe/words.txt"]


def test_a_recipe_in_one_file_is_shipped(package, tmp_path):
    (package.parent / "lone_recipe.py").write_text("recipe = None\n")
    assert "lone_recipe.py" in names(make_snapshot("lone_recipe:recipe", tmp_path / "out"))


def test_the_same_code_has_the_same_hash_and_changed_code_another(package, tmp_path):
    first = make_snapshot("my_recipe:recipe", tmp_path / "one")
    os.utime(package / "__init__.py", (1, 1))
    (package / "__pycache__" / "y.pyc").write_bytes(b"more cache")
    second = make_snapshot("my_recipe:recipe", tmp_path / "two")
    assert first.hash == second.hash
    assert first.path.read_bytes() == second.path.read_bytes()
    (package / "words.txt").write_text("c\n")
    assert make_snapshot("my_recipe:recipe", tmp_path / "three").hash != first.hash


def test_an_unpacked_snapshot_works_without_the_checkout(tmp_path):
    with zipfile.ZipFile(make_snapshot("faq_ranker", tmp_path).path) as archive:
        archive.extractall(tmp_path / "unpacked")
    code = "import retuner_training.job as job; print(job.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "unpacked")}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(str(tmp_path / "unpacked"))


def test_too_many_files_are_refused_with_their_number(package, tmp_path):
    for number in range(module.MAX_FILES):
        (package / f"data-{number}.txt").touch()
    with pytest.raises(UserError, match=r"20\d\d files of 0 MB, at most 2000 files"):
        make_snapshot("my_recipe:recipe", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_much_data_is_refused_with_the_largest_file(package, tmp_path):
    with (package / "data.bin").open("wb") as data:
        data.truncate(module.MAX_BYTES + 1)  # sparse: takes no space
    with pytest.raises(UserError, match=r"largest file is my_recipe/data.bin \(300 MB\)"):
        make_snapshot("my_recipe:recipe", tmp_path / "out")


@pytest.mark.parametrize(
    ("recipe", "words"), [("no_such_thing:recipe", "is not found"), ("sys:path", "no Python file")]
)
def test_a_package_that_cannot_be_shipped_is_named(recipe, words, tmp_path):
    with pytest.raises(UserError, match=words):
        make_snapshot(recipe, tmp_path)
