"""A job whose dataset and output lie in Blob storage, reached by plain https with signatures alone."""

import json
import multiprocessing
import os
import stat
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from http_server import http_server
from toy_recipe import write_dataset

from retuner.parameters import BlobStorage
from retuner.storage.blob import open_blob_store
from retuner.storage.credentials import ConnectionString
from retuner_training import blob_http, transfer
from retuner_training.blob_http import download, upload
from retuner_training.errors import Unreachable
from retuner_training.job import Job
from retuner_training.result import MODEL, RESULT, SEEN
from retuner_training.run import run_job
from retuner_training.transfer import READ_SAS, UPLOAD_SAS, dataset_folder, fetch_result


@pytest.fixture
def store(azurite):
    storage = BlobStorage(container=azurite.new_container(), prefix="faq")
    return open_blob_store(storage, ConnectionString(azurite.connection_string))


@pytest.fixture
def job(store, tmp_path, monkeypatch):
    """A job as a compute target sends it, in an environment as it makes it on a node."""
    for name, secret in store.node_secrets(3600).items():
        monkeypatch.setenv(name, secret)
    use_node(tmp_path / "node", monkeypatch)
    folder = write_dataset(tmp_path / "dataset")
    for name in ("rows.parquet", "manifest.json"):
        store.put(folder / name, f"datasets/toy/{name}")
    parameters = {"quality": 0.7, "record": str(tmp_path / "record")}
    dataset, output = store.location("datasets/toy"), store.location("jobs/s/s-t0001-a1")
    return Job("s-t0001-a1", "s", "toy_recipe:recipe", parameters, dataset, output)


def use_node(folder, monkeypatch):
    """Have `folder` for the temporary files of this machine, which tell one node from another."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)  # else what it has found before


def runs_of(job):
    return len(Path(job.parameters["record"]).read_text().splitlines())


def test_a_job_reads_its_dataset_and_leaves_its_result_and_model_in_the_container(job, store):
    result = run_job(replace(job, keep_model=True))
    assert result.outcome == "completed", result.traceback
    prefix = "jobs/s/s-t0001-a1"
    assert store.list(prefix) == [f"{prefix}/{name}" for name in (MODEL, RESULT, SEEN)]
    assert store.manifest(prefix)[f"{prefix}/{MODEL}"] == result.files[MODEL]
    assert fetch_result(job.output) == result


@pytest.mark.parametrize("plant", ["a link", "a folder of another user"])
def test_a_dataset_that_somebody_else_may_have_put_on_the_node_is_not_read(job, tmp_path, monkeypatch, plant):
    """It would agree with the manifest beside it."""
    use_node(tmp_path, monkeypatch)
    run_job(job)  # makes the user's own folder
    user = os.getuid()
    own = tmp_path / f"retuner-{user}"
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    if plant == "a link":
        own.symlink_to(own.rename(tmp_path / "theirs"))
    else:
        own.rename(tmp_path / f"retuner-{user + 1}")
        monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with pytest.raises(PermissionError, match="is a link or another user's"):
        dataset_folder(job.dataset)


def test_a_completed_job_is_not_trained_again_on_another_node(job, monkeypatch, tmp_path):
    first = run_job(replace(job, keep_model=True))
    use_node(tmp_path / "another", monkeypatch)
    assert run_job(replace(job, keep_model=True)) == first
    assert runs_of(job) == 1


def test_a_failed_job_is_trained_again_and_its_result_replaced(job):
    failing = replace(job, parameters={**job.parameters, "fails_at": 2})
    assert run_job(failing).outcome == "failed"
    assert fetch_result(job.output).outcome == "failed"
    assert run_job(job).outcome == "completed"
    assert fetch_result(job.output).outcome == "completed"


def test_a_storage_that_does_not_give_the_data_is_no_failure_of_the_job(job, monkeypatch):
    """Which would be final: a job without a result gets another attempt."""
    monkeypatch.setattr(blob_http, "TRIES", 1)
    with pytest.raises(Unreachable, match="cannot be reached"):
        run_job(replace(job, dataset="https://127.0.0.1:1/data/toy"))
    assert fetch_result(job.output) is None
    assert run_job(job).outcome == "completed"


def test_a_result_whose_model_is_missing_is_none(job, store, tmp_path):
    run_job(job)
    document = json.loads((store.get(f"jobs/s/{job.name}/{RESULT}", tmp_path / "r"), (tmp_path / "r").read_text())[1])
    (tmp_path / "r").write_text(json.dumps({**document, "files": {MODEL: "0" * 64}}))
    store.put(tmp_path / "r", f"jobs/s/{job.name}/{RESULT}")
    assert fetch_result(job.output) is None


def test_the_result_is_sent_after_all_that_it_names(job, monkeypatch):
    sent = []

    def recorded(file, address, sas, **options):
        upload(file, address, sas, **options)
        sent.append(file.name)

    monkeypatch.setattr(transfer, "upload", recorded)
    run_job(replace(job, keep_model=True))
    assert sent == [MODEL, SEEN, RESULT]


def test_a_dataset_is_downloaded_once_a_node(job, store, tmp_path, monkeypatch):
    first = dataset_folder(job.dataset)
    monkeypatch.setenv(READ_SAS, "sig=of no use")
    assert dataset_folder(job.dataset) == first


def test_a_damaged_copy_of_a_dataset_is_fetched_anew(job):
    file = dataset_folder(job.dataset) / "rows.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert (dataset_folder(job.dataset) / "rows.parquet").read_bytes() == whole


def test_a_download_that_was_interrupted_is_begun_anew(job):
    folder = dataset_folder(job.dataset)
    folder.rename(folder.with_name(f"{folder.name}.part"))
    assert (dataset_folder(job.dataset) / "manifest.json").is_file()


def test_processes_of_one_node_share_one_download(job, tmp_path):
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        folders = pool.map(dataset_folder, [job.dataset] * 3)
    assert len(set(folders)) == 1
    assert sorted(path.suffix for path in folders[0].parent.iterdir()) == ["", ".lock"]


def test_a_dataset_other_than_its_manifest_tells_is_a_failed_job(job, store, tmp_path):
    (tmp_path / "other").write_bytes(b"other")
    store.put(tmp_path / "other", "datasets/toy/rows.parquet")
    result = run_job(job)
    assert result.outcome == "failed"
    assert "rows.parquet has 5 bytes instead of" in result.reason


def test_a_dataset_that_is_not_there_is_a_failed_job_that_names_the_address(job):
    result = run_job(replace(job, dataset=job.dataset + "-none"))
    assert result.outcome == "failed"
    assert f"There is no {job.dataset}-none/manifest.json" in result.reason


def test_a_job_without_signatures_says_which_variable_is_missing(job, monkeypatch):
    monkeypatch.delenv(READ_SAS)
    with pytest.raises(PermissionError, match="RETUNER_READ_SAS is empty"):
        run_job(job)


def test_a_refused_upload_is_raised_as_no_result_can_be_left(job, monkeypatch, azurite):
    monkeypatch.setenv(UPLOAD_SAS, azurite.sas("another", "cw"))
    with pytest.raises(PermissionError, match=r"refused http.*403"):
        run_job(job)


def test_signatures_can_come_from_a_getter_each_time_they_are_needed(job, monkeypatch, store):
    secrets = store.node_secrets(60)
    for name in secrets:
        monkeypatch.delenv(name)
    asked = []

    def sign(use):
        asked.append(use)
        return secrets[READ_SAS if use == "read" else UPLOAD_SAS]

    assert run_job(job, sign=sign).outcome == "completed"
    assert set(asked) == {"read", "upload"}


def test_no_signature_is_in_what_a_failed_job_leaves(job, monkeypatch, azurite):
    secret = azurite.sas("another", "r")
    signature = secret.rpartition("sig=")[2]
    monkeypatch.setenv(READ_SAS, secret)
    with pytest.raises(PermissionError) as caught:
        run_job(job)
    said = [str(caught.value), repr(caught.value), repr(vars(caught.value)), repr(caught.value.__context__)]
    assert not any(signature in text for text in said)


def test_a_certificate_that_is_not_trusted_is_no_connection(tmp_path, azurite_https, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(ConnectionError, match="cannot be reached"):
        download(f"{azurite_https.account_url}/c/b", tmp_path / "b", "sig=x", pause=lambda _: None)


def test_https_is_trusted_by_the_bundle_that_azures_packages_use(tmp_path, azurite_https, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite_https.certificate))
    container = azurite_https.new_container()
    (tmp_path / "a").write_text("content")
    address = f"{azurite_https.account_url}/{container}/a"
    upload(tmp_path / "a", address, azurite_https.sas(container, "cw"), sha256="0")
    download(address, tmp_path / "b", azurite_https.sas(container, "r"))
    assert (tmp_path / "b").read_text() == "content"


def test_plain_http_is_for_this_machine_alone(tmp_path):
    with pytest.raises(PermissionError, match="is not https"):
        download("http://account.blob.core.windows.net/c/b", tmp_path / "b", "sig=x")


def test_a_signature_that_is_no_part_of_an_address_is_said_without_it(tmp_path, azurite):
    with pytest.raises(PermissionError) as caught:
        download(f"{azurite.account_url}/c/b", tmp_path / "b", "sig=half of\nit")
    assert "on one line" in str(caught.value)
    assert "half of" not in str(caught.value)
    assert caught.value.__context__ is None


class Moody(BaseHTTPRequestHandler):
    """Answers a request with the next of `moods`, the last one for ever."""

    def do_GET(self):
        moods = self.server.moods
        self.server.asked += 1
        status, headers, body = moods.pop(0) if len(moods) > 1 else moods[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def moody(*moods):
    with http_server(Moody) as server:
        server.moods, server.asked = list(moods), 0
        yield server, f"http://127.0.0.1:{server.server_port}/c/b"


GOOD = (200, {"Content-Length": "2"}, b"ok")
BUSY = (503, {"x-ms-error-code": "ServerBusy", "Content-Length": "0"}, b"")


@pytest.mark.parametrize(
    "bad",
    [
        BUSY,
        (429, {"Content-Length": "0"}, b""),
        (200, {"Content-Length": "9"}, b"cut"),
        (200, {"Content-Length": "2", "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, b"ok"),
    ],
    ids=["busy", "throttled", "cut", "damaged"],
)
def test_what_passes_is_tried_again_with_longer_pauses(tmp_path, bad):
    pauses = []
    with moody(bad, bad, GOOD) as (server, address):
        download(address, tmp_path / "b", "sig=x", pause=pauses.append)
        assert server.asked == 3
    assert (tmp_path / "b").read_bytes() == b"ok"
    assert pauses == [1, 2]


def test_an_upload_is_sent_again_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with moody(BUSY, GOOD) as (server, address):
        upload(tmp_path / "a", address, "sig=x", sha256="0", pause=lambda _: None)
        assert server.asked == 2


def test_the_last_failed_try_is_a_connection_error_that_names_status_and_address(tmp_path):
    with moody(BUSY) as (server, address):
        with pytest.raises(ConnectionError, match=f"could not serve {address} \\(503 ServerBusy\\)"):
            download(address, tmp_path / "b", "sig=x", pause=lambda _: None)
        assert server.asked == blob_http.TRIES


def test_a_refusal_is_not_tried_again(tmp_path):
    with moody((403, {"Content-Length": "0"}, b"")) as (server, address):
        with pytest.raises(PermissionError):
            download(address, tmp_path / "b", "sig=x")
        assert server.asked == 1


def test_a_node_needs_no_azure_package_for_it():
    import subprocess
    import sys

    code = (
        "import sys, retuner_training.run; print([m for m in sys.modules if m.split('.')[0] in ('azure', 'requests')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
