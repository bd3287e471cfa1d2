"""What every store must do. A store is whole files under names, wherever they lie."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from storage_backends import BACKENDS

from retuner.errors import UserError
from retuner.storage.folder import FolderStore
from retuner_training.result import sha256_of


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def store(request, tmp_path):
    return request.param.open(request, tmp_path)


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "source.txt"
    file.write_text("content")
    return file


def test_what_was_put_is_there_and_comes_back(store, file, tmp_path):
    assert not store.exists("datasets/a/texts.parquet")
    store.put(file, "datasets/a/texts.parquet")
    assert store.exists("datasets/a/texts.parquet")
    store.get("datasets/a/texts.parquet", tmp_path / "new" / "copy.txt")
    assert (tmp_path / "new" / "copy.txt").read_text() == "content"


def test_other_content_replaces_what_was_there(store, file, tmp_path):
    store.put(file, "a")
    file.write_text("changed")
    store.put(file, "a")
    store.get("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "changed"


def test_a_stored_file_does_not_change_with_its_source(store, file, tmp_path):
    store.put(file, "a")
    with file.open("a") as source:
        source.write(" and more")
    store.get("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"


def test_names_are_listed_by_prefix_and_sorted(store, file):
    for name in ("studies/b-1/x", "studies/a-1/x", "studies/a-10/x", "models/m"):
        store.put(file, name)
    assert store.list("studies/a-1") == ["studies/a-1/x", "studies/a-10/x"]
    assert store.list("studies/a-1/") == ["studies/a-1/x"]
    assert store.list("") == ["models/m", "studies/a-1/x", "studies/a-10/x", "studies/b-1/x"]
    assert store.list("nothing/here") == []


def test_the_manifest_holds_the_sum_of_every_file_under_a_prefix(store, file):
    store.put(file, "models/1/model.joblib")
    store.put(file, "other")
    assert store.manifest("models/") == {"models/1/model.joblib": hashlib.sha256(b"content").hexdigest()}


def test_what_is_not_there_is_a_user_error_that_names_it(store, tmp_path):
    with pytest.raises(UserError, match="has no models/none"):
        store.get("models/none", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_large_file_and_an_empty_one_come_back_as_they_were(store, tmp_path):
    for size in (0, 9 * 1024**2 + 1):  # the larger one travels in blocks
        (tmp_path / "source").write_bytes(os.urandom(size))
        store.put(tmp_path / "source", "models/m")
        store.get("models/m", tmp_path / "copy")
        assert sha256_of(tmp_path / "copy") == sha256_of(tmp_path / "source")


@pytest.mark.parametrize("name", ["a b/c#d?e=f&g", "ünï/ço+de%20"])
def test_a_name_may_hold_characters_that_mean_something_in_an_address(store, file, tmp_path, name):
    store.put(file, name)
    assert store.exists(name)
    assert store.list("") == [name]
    store.get(name, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"


def test_what_a_job_needs_to_reach_a_location_holds_no_signature_in_it(store):
    secrets = store.node_secrets(60)
    location = store.location("datasets/a")
    assert location.endswith("datasets/a")
    assert not any(secret in location for secret in secrets.values())


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../outside", "a/../../b", "a//b", "a/./b", "a\\b", "a/", "a\0b"])
def test_a_name_that_leaves_the_store_or_is_ambiguous_is_refused(store, file, name):
    for act in (lambda: store.put(file, name), lambda: store.exists(name), lambda: store.location(name)):
        with pytest.raises(UserError, match="is no name in a store"):
            act()


def test_a_prefix_that_leaves_the_store_is_refused(store):
    with pytest.raises(UserError, match="is no name in a store"):
        store.list("../")


class TestFolderStore:
    """What is particular to files in a folder."""

    def test_the_location_is_an_absolute_path_whatever_the_working_directory(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        store = FolderStore(Path("store"))
        monkeypatch.chdir("/")
        assert store.location("datasets/a") == str(tmp_path / "store" / "datasets" / "a")

    def test_content_that_is_there_already_is_not_written_again(self, file, tmp_path):
        store = FolderStore(tmp_path / "store")
        store.put(file, "a")
        before = (tmp_path / "store" / "a").stat()
        store.put(file, "a")
        assert (tmp_path / "store" / "a").stat().st_ino == before.st_ino

    def test_a_file_half_written_is_not_listed(self, file, tmp_path):
        store = FolderStore(tmp_path / "store")
        store.put(file, "a")
        (tmp_path / "store" / ".b.123.part").write_text("half")
        assert store.list("") == ["a"]

    def test_a_file_where_a_folder_must_be_is_a_user_error_that_says_so(self, file, tmp_path):
        store = FolderStore(tmp_path / "store")
        store.put(file, "a")
        with pytest.raises(UserError, match="a/b cannot be written"):
            store.put(file, "a/b")

    def test_a_full_disk_is_a_user_error_and_leaves_nothing(self, tmp_path):
        code = (
            "import resource, signal, sys; from pathlib import Path\n"
            "from retuner.errors import UserError; from retuner.storage.folder import FolderStore\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # as a disk with 1000 bytes left
            "try:\n    FolderStore(Path(sys.argv[1])).put(Path(sys.argv[2]), 'models/large')\n"
            "except UserError as error:\n    print(error)\n"
        )
        large = tmp_path / "large"
        large.write_bytes(bytes(5000))
        command = [sys.executable, "-c", code, str(tmp_path / "store"), str(large)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert "the disk is full" in done.stdout, done.stderr
        assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
