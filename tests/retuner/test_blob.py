"""Blob storage beyond the contract: verification, interruption, and what is said before anything is created."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from blob_stores import blob_of, container, file, open_with, store

from retuner.errors import RetryableError, UserError
from retuner.parameters import BlobStorage
from retuner.parameters.values import parse_parameters
from retuner.settings import read_settings
from retuner.storage import blob as blob_module
from retuner.storage.blob import BlobStore, open_blob_store
from retuner.storage.blob_signing import parse_connection_string
from retuner.storage.credentials import ConnectionString, Identity, SasPair
from retuner.workbench import open_workbench

__all__ = ["container", "file", "store"]


class TestWriting:
    """A blob is there whole, verified, or it is sent again."""

    def test_content_that_is_there_already_is_not_sent_again(self, store, file, azurite, container):
        store.put(file, "a")
        before = blob_of(azurite, container, "a").get_blob_properties().etag
        store.put(file, "a")
        assert blob_of(azurite, container, "a").get_blob_properties().etag == before

    def test_a_blob_that_nobody_verified_is_sent_again(self, store, file, azurite, container):
        blob_of(azurite, container, "a").upload_blob(b"contend")  # the same size, and no sum in its metadata
        store.put(file, "a")
        assert blob_of(azurite, container, "a").download_blob().readall() == b"content"
        assert len(blob_of(azurite, container, "a").get_blob_properties().metadata["sha256"]) == 64

    def test_what_was_damaged_on_the_way_is_an_error_and_is_repaired_by_the_next_try(
        self, store, file, azurite, container, monkeypatch
    ):
        send = BlobStore._send
        damaged = file.with_name("damaged")
        damaged.write_text("c0ntent")

        def send_damaged(self, source, name, content, **options):
            send(self, damaged, name, blob_module._Content.of(damaged), **options)

        with monkeypatch.context() as patched:
            patched.setattr(BlobStore, "_send", send_damaged)
            with pytest.raises(RetryableError, match="is not what was sent"):
                store.put(file, "a")
        assert "sha256" not in blob_of(azurite, container, "a").get_blob_properties().metadata
        store.put(file, "a")
        assert blob_of(azurite, container, "a").download_blob().readall() == b"content"

    def test_content_that_changed_in_the_container_is_not_handed_out(self, store, file, azurite, container, tmp_path):
        store.put(file, "a")
        metadata = blob_of(azurite, container, "a").get_blob_properties().metadata
        blob_of(azurite, container, "a").upload_blob(b"changed", overwrite=True, metadata=metadata)
        with pytest.raises(RetryableError, match="has not the SHA-256"):
            store.get("a", tmp_path / "copy")
        assert not (tmp_path / "copy").exists()

    def test_an_upload_that_was_killed_leaves_no_blob(self, store, azurite, container, tmp_path):
        large = tmp_path / "large"
        large.write_bytes(os.urandom(20 * 1024**2))
        code = (
            "import os, signal, sys; from pathlib import Path\n"
            "from retuner.storage import blob; from retuner.storage.credentials import ConnectionString\n"
            "from retuner.parameters import BlobStorage\n"
            "blob._teller = lambda name: lambda done, total: os.kill(os.getpid(), signal.SIGKILL)\n"
            "store = blob.open_blob_store(BlobStorage(container=sys.argv[1]), ConnectionString(os.environ['KEY']))\n"
            "store.put(Path(sys.argv[2]), 'large')\n"
        )
        environment = {**os.environ, "KEY": azurite.connection_string}
        done = subprocess.run([sys.executable, "-c", code, container, str(large)], env=environment, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        begun = azurite.client().get_container_client(container).list_blobs(include=["uncommittedblobs"])
        assert [blob.name for blob in begun] == ["large"]
        assert not store.exists("large")
        assert store.list("") == []
        store.put(large, "large")
        assert store.exists("large")

    def test_a_manifest_is_written_once(self, store, file, tmp_path):
        store.put(file, "datasets/a/manifest.json")
        file.write_text("another")
        store.put(file, "datasets/a/manifest.json")
        store.get("datasets/a/manifest.json", tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "content"

    def test_two_writers_of_one_name_end_with_one_whole_content(self, store, azurite, container, tmp_path):
        files = []
        for number in range(2):
            files.append(tmp_path / str(number))
            files[-1].write_bytes(os.urandom(9 * 1024**2))

        def put(source):
            other = open_blob_store(BlobStorage(container=container), ConnectionString(azurite.connection_string))
            for _ in range(5):
                with suppress(RetryableError):
                    other.put(source, "a")
                    break

        threads = [threading.Thread(target=put, args=(source,)) for source in files]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.get("a", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() in [source.read_bytes() for source in files]

    def test_a_source_that_is_missing_is_a_user_error(self, store, tmp_path):
        with pytest.raises(UserError, match="No such file"):
            store.put(tmp_path / "none", "a")

    def test_long_transfers_tell_how_far_they_are(self, store, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(blob_module, "TOLD_EVERY", 0)
        (tmp_path / "large").write_bytes(bytes(9 * 1024**2))
        with caplog.at_level(logging.INFO, "retuner"):
            store.put(tmp_path / "large", "models/m")
        # Blocks of 4, 4 and 1 MB arrive in any order.
        assert any(re.search(r"models/m: [1-8] of 9 MB", message) for message in caplog.messages)


class TestUploadSasAlone:
    """A write SAS can neither list, read nor mint."""

    @pytest.fixture
    def store(self, azurite, container):
        return open_with(azurite, container, azurite.sas(container, "cw"))

    def test_it_is_said_that_nothing_is_read_back(self, azurite, container, caplog):
        open_with(azurite, container, azurite.sas(container, "cw"))
        assert any("checked by MD5 sums alone" in message for message in caplog.messages)

    def test_files_are_written_with_their_sum(self, store, file, azurite, container):
        store.put(file, "a")
        properties = blob_of(azurite, container, "a").get_blob_properties()
        assert len(properties.metadata["sha256"]) == 64

    def test_reading_says_what_is_missing(self, store, file, tmp_path):
        acts = (
            lambda: store.get("a", tmp_path / "copy"),
            lambda: store.exists("a"),
            lambda: store.list(""),
            lambda: store.node_secrets(60),
        )
        for act in acts:
            with pytest.raises(UserError, match="add a read SAS to the block"):
                act()


class TestOpening:
    """What is wrong is said before anything is created."""

    def test_a_check_leaves_nothing_in_the_container(self, store, azurite, container):
        store.check()
        found = azurite.client().get_container_client(container).list_blobs(include=["uncommittedblobs"])
        assert list(found) == []

    def test_a_container_that_is_not_there_is_named_with_the_command_that_makes_it(self, azurite):
        with pytest.raises(UserError, match=r"/nowhere cannot be read: .*az storage container create"):
            open_blob_store(BlobStorage(container="nowhere"), ConnectionString(azurite.connection_string))

    def test_an_upload_sas_of_another_container_is_refused(self, azurite, container):
        with pytest.raises(UserError, match=f"{container} cannot be written: .*of another container"):
            open_with(azurite, container, azurite.sas("another", "cw"), azurite.sas(container, "r"))

    def test_a_read_sas_of_another_container_is_refused(self, azurite, container):
        with pytest.raises(UserError, match=f"{container} cannot be read: .*of another container"):
            open_with(azurite, container, azurite.sas(container, "cw"), azurite.sas("another", "r"))

    def test_both_signatures_are_checked_and_all_faults_told(self, azurite, container):
        past = datetime.now(UTC) - timedelta(minutes=1)
        with pytest.raises(UserError) as caught:
            open_with(azurite, container, azurite.sas(container, "r"), azurite.sas(container, "r", expiry=past))
        assert "The upload SAS has no write permission" in str(caught.value)
        assert "The read SAS expired" in str(caught.value)

    def test_a_sas_that_ends_before_the_plan_is_refused(self, azurite, container):
        until = datetime.now(UTC) + timedelta(hours=2)
        with pytest.raises(UserError, match="before the search may end"):
            open_with(azurite, container, azurite.sas(container, "cw"), until=until)

    @pytest.mark.parametrize(
        ("storage", "credentials", "words"),
        [
            ({}, SasPair("sig=x"), "storage.account_url is empty"),
            ({"account_url": "http://a.blob.core.windows.net"}, SasPair("sig=x"), "use https"),
            ({"account_url": "http://127.0.0.1:1/a"}, Identity(), "sent over https only"),
            ({"account_url": "https://a.example"}, Identity("https://b.example"), "the block is for https://b.example"),
            (
                {},
                ConnectionString("AccountName=a;SharedAccessSignature=sig=x"),
                "put it into a block 'Retuner Blob SAS'",
            ),
            ({}, ConnectionString("nonsense"), "has no AccountName and no AccountKey"),
            ({}, ConnectionString("AccountName=a;AccountKey=not a key"), "AccountKey is not a key"),
        ],
    )
    def test_credentials_and_parameters_that_do_not_fit_are_told(self, storage, credentials, words):
        with pytest.raises(UserError, match=words):
            open_blob_store(BlobStorage(container="abc", **storage), credentials)

    def test_jobs_on_dask_cannot_reach_a_container_and_this_is_said_first(self, tmp_path):
        parameters = parse_parameters({"storage": {"container": "retunes"}})
        settings = read_settings({"RETUNER_HOME": str(tmp_path)})
        with (
            pytest.raises(UserError, match=r"the container retunes: name a folder in storage\.folder"),
            open_workbench(parameters, settings, threading.Event()),
        ):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_a_connection_string_without_an_endpoint_means_azure(self):
        fields = parse_connection_string(
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=x.y"
        )
        assert fields["BlobEndpoint"] == "https://a.blob.x.y"

    def test_an_account_that_does_not_answer_may_be_tried_again(self, monkeypatch):
        monkeypatch.setattr(blob_module, "client_options", lambda: {"retry_total": 0})
        with pytest.raises(RetryableError, match="no answer came"):
            open_blob_store(
                BlobStorage(container="abc", account_url="http://127.0.0.1:1/a"),
                ConnectionString("AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a"),
            )
