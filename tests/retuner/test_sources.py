"""Where raw files come from: the sample, a folder, and an http server that answers well or badly."""

import socket
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest
from http_server import http_server
from raw_faq import write_faq
from tabular_tables import make_customers

from retuner.data.sources import check_source, fetch
from retuner.errors import RetryableError, UserError
from retuner_training.recipe import load_recipe
from retuner_training.result import sha256_of

RECIPE = load_recipe("faq_ranker")


class Server(BaseHTTPRequestHandler):
    """Serves the files of `folder`, or misbehaves as the first part of the path says."""

    folder: Path
    release: threading.Event

    def do_GET(self):
        kind, name = self.path.lstrip("/").split("/", 1)
        if kind.isdigit():
            self.send_error(int(kind))
        elif kind == "slow":
            self.release.wait(30)
        else:
            self.send_whole_or_part((self.folder / name).read_bytes(), kind)

    def send_whole_or_part(self, data, kind):
        cut = kind == "cut" or (kind == "cutlast" and self.path.endswith(RECIPE.files[-1]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)

    def log_message(self, *_):
        pass


@pytest.fixture
def faq(tmp_path):
    return write_faq(tmp_path / "faq")


@pytest.fixture
def address(faq, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Server.folder, Server.release = faq, threading.Event()
    with http_server(Server) as server:
        yield f"http://127.0.0.1:{server.server_port}"
        Server.release.set()


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_folder_is_read_where_it_is(faq, tmp_path):
    raw = fetch(str(faq), RECIPE, tmp_path / "raw")
    assert raw.path == faq
    assert raw.sums == {name: sha256_of(faq / name) for name in RECIPE.files}
    assert not (tmp_path / "raw").exists()


def test_a_relative_folder_becomes_absolute(faq, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fetch("faq", RECIPE, tmp_path / "raw").path == faq


def test_a_folder_without_a_file_is_named_with_what_it_lacks(faq, tmp_path):
    (faq / "ans.tsv.gz").unlink()
    with pytest.raises(UserError, match=r"faq lacks ans\.tsv\.gz"):
        fetch(str(faq), RECIPE, tmp_path / "raw")


@pytest.mark.parametrize("name", ["sample", "stackoverflow", "https://no-such-host.invalid/faq"])
def test_of_what_is_not_on_this_machine_nothing_is_asked(name):
    check_source(name, RECIPE, {})


def test_what_is_wrong_with_local_files_is_seen_before_they_are_read(faq, tmp_path):
    check_source(str(faq), RECIPE, {})
    (faq / "ans.tsv.gz").unlink()
    with pytest.raises(UserError, match=r"faq lacks ans\.tsv\.gz"):
        check_source(str(faq), RECIPE, {})
    with pytest.raises(UserError, match="no data source 'nowhere'"):
        check_source("nowhere", RECIPE, {})


@pytest.mark.parametrize(("write", "options"), [("to_csv", {"index": False}), ("to_parquet", {})])
def test_a_table_without_the_target_is_seen_in_its_head(tmp_path, write, options):
    recipe, file = load_recipe("tabular"), tmp_path / f"customers.{write.removeprefix('to_')}"
    getattr(make_customers(9), write)(file, **options)
    check_source(str(file), recipe, {"target_column": "churned"})
    with pytest.raises(
        UserError, match=rf"{file} has no column 'left' for the target: .* age, plan, city, paid, churned"
    ):
        check_source(str(file), recipe, {"target_column": "left"})


def test_an_unknown_source_is_told_the_known_ones(tmp_path):
    with pytest.raises(UserError, match="no data source 'nowhere': give sample, stackoverflow, a folder, or"):
        fetch("nowhere", RECIPE, tmp_path / "raw")


def test_the_sample_has_the_same_sums_each_time(tmp_path):
    first, second = (fetch("sample", RECIPE, tmp_path / name) for name in ("a", "b"))
    assert first.sums == second.sums


def test_a_sample_that_fails_leaves_nothing(tmp_path):
    def full_disk(folder):
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    recipe = SimpleNamespace(addresses={}, sample=full_disk)
    with pytest.raises(UserError, match=r"No space left on device.*make room"):
        fetch("sample", recipe, tmp_path)
    assert not files_below(tmp_path)


def test_an_address_gives_the_files_of_the_server(address, faq, tmp_path):
    raw = fetch(f"{address}/files/", RECIPE, tmp_path / "raw")
    assert not raw.public
    assert raw.sums == {name: sha256_of(faq / name) for name in RECIPE.files}
    assert all((raw.path / name).read_bytes() == (faq / name).read_bytes() for name in RECIPE.files)


def test_a_source_that_the_recipe_names_is_public(address, tmp_path):
    recipe = SimpleNamespace(name="r", files=RECIPE.files, addresses={"known": f"{address}/files"})
    assert fetch("known", recipe, tmp_path / "raw").public


def test_changed_files_on_the_server_are_fetched_again(address, faq, tmp_path):
    before = fetch(f"{address}/files", RECIPE, tmp_path / "raw")
    write_faq(faq, questions=5)
    assert fetch(f"{address}/files", RECIPE, tmp_path / "raw").sums != before.sums


@pytest.mark.parametrize("status", [404, 403, 401])
def test_a_refusal_is_for_the_user(address, tmp_path, status):
    with pytest.raises(UserError, match=rf"{address}/{status}/orig-q.tsv.gz answered {status}"):
        fetch(f"{address}/{status}", RECIPE, tmp_path / "raw")
    assert not files_below(tmp_path / "raw")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_of_the_server_may_be_tried_again(address, tmp_path, status):
    with pytest.raises(RetryableError, match=str(status)):
        fetch(f"{address}/{status}", RECIPE, tmp_path / "raw")


def test_a_download_that_breaks_off_leaves_no_half_file(address, faq, tmp_path):
    with pytest.raises(RetryableError, match=r"ended after \d+ of \d+ bytes"):
        fetch(f"{address}/cutlast", RECIPE, tmp_path / "raw")
    for file in files_below(tmp_path / "raw"):
        assert file.read_bytes() == (faq / file.name).read_bytes()
    assert [file.name for file in files_below(tmp_path / "raw")] == sorted(RECIPE.files[:-1])


def test_a_failed_download_keeps_the_file_that_was_there(address, tmp_path):
    raw = fetch(f"{address}/files", RECIPE, tmp_path / "raw")
    before = {name: (raw.path / name).read_bytes() for name in RECIPE.files}
    recipe = SimpleNamespace(name="r", files=RECIPE.files, addresses={})
    target = tmp_path / "raw" / raw.path.name
    Server.folder = Server.folder / "gone"
    with pytest.raises(RetryableError):
        fetch(f"{address}/files", recipe, tmp_path / "raw")
    assert {name: (target / name).read_bytes() for name in RECIPE.files} == before


def test_a_server_that_does_not_answer_may_be_tried_again(address, tmp_path):
    with pytest.raises(RetryableError, match="timed out"):
        fetch(f"{address}/slow", RECIPE, tmp_path / "raw", timeout=0.2)


def test_a_server_that_is_not_there_may_be_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RetryableError, match="cannot be reached"):
        fetch(f"http://127.0.0.1:{port}", RECIPE, tmp_path / "raw")


@pytest.mark.parametrize("address", ["https://host/path?sig=s3cret", "https://me:s3cret@host/path"])
def test_an_address_with_a_secret_is_refused_without_repeating_it(address, tmp_path):
    with pytest.raises(UserError, match="query or a password") as caught:
        fetch(address, RECIPE, tmp_path / "raw")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://", "http://host:port/", "http://127.0.0.1/a b"])
def test_a_malformed_address_is_for_the_user(address, tmp_path):
    with pytest.raises(UserError, match="address"):
        fetch(address, RECIPE, tmp_path / "raw")


def test_a_place_that_cannot_be_written_is_for_the_user(address, tmp_path):
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot be written: .*set RETUNER_HOME"):
        fetch(f"{address}/files", RECIPE, tmp_path / "raw")


TABULAR = load_recipe("tabular")


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "tables" / "my customers.csv"
    file.parent.mkdir()
    file.write_text("a,target\n1,2\n")
    return file


def test_a_recipe_of_one_file_takes_the_file_or_a_folder_that_holds_one(table, tmp_path):
    for source in (table, table.parent):
        raw = fetch(str(source), TABULAR, tmp_path / "raw")
        assert raw.path == table
        assert raw.sums == {table.name: sha256_of(table)}
    sample = fetch("sample", TABULAR, tmp_path / "raw")
    assert sample.path.is_file()


def test_a_recipe_of_one_file_takes_its_address(address, table, tmp_path):
    Server.folder = table.parent
    (table.parent / "new.csv").write_text("a,target\n1,2\n")
    raw = fetch(f"{address}/files/new.csv", TABULAR, tmp_path / "raw")
    assert (raw.path.name, raw.sums) == ("new.csv", {"new.csv": sha256_of(table)})
    with pytest.raises(UserError, match=r"names no file that the recipe 'tabular' reads, such as \*\.csv"):
        fetch(f"{address}/files/new.xlsx", TABULAR, tmp_path / "raw")


def test_a_file_that_is_not_meant_or_not_clear_is_told(table, tmp_path):
    other = table.with_suffix(".xlsx")
    other.write_text("x")
    with pytest.raises(UserError, match=r"customers\.xlsx holds no data that the recipe 'tabular' reads"):
        fetch(str(other), TABULAR, tmp_path / "raw")
    (table.parent / "b.parquet").write_text("x")
    with pytest.raises(UserError, match=r"more than one file .* \(b\.parquet, my customers\.csv\): name one"):
        fetch(str(table.parent), TABULAR, tmp_path / "raw")
    with pytest.raises(UserError, match=r"no data source 'nowhere': give sample, a file \(\*\.csv, "):
        fetch("nowhere", TABULAR, tmp_path / "raw")
