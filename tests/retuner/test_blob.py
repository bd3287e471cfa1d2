"""Blob storage beyond the contract: verification, interruption, signatures, errors, and secrets that stay secret."""

import inspect
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import azure.core.exceptions
import azure.identity
import azure.storage.blob._shared.authentication
import azure.storage.blob._shared.response_handlers
import pytest
from azurite import IdentityToken

from retuner.errors import RetryableError, UserError
from retuner.logs import HIDDEN
from retuner.parameters import BlobStorage
from retuner.parameters.values import parse_parameters
from retuner.settings import read_settings
from retuner.storage import blob as blob_module
from retuner.storage import blob_errors
from retuner.storage.blob import BlobStore, open_blob_store
from retuner.storage.blob_errors import translate
from retuner.storage.blob_signing import MintedSignatures, mint_as_identity, parse_connection_string
from retuner.storage.credentials import ConnectionString, Identity, SasPair, ServicePrincipal
from retuner.storage.sas import Place
from retuner.workbench import open_workbench
from retuner_training.job import Job
from retuner_training.transfer import READ_SAS, UPLOAD_SAS


@pytest.fixture
def container(azurite):
    return azurite.new_container()


@pytest.fixture
def store(azurite, container):
    return open_blob_store(BlobStorage(container=container), ConnectionString(azurite.connection_string))


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "source.txt"
    file.write_text("content")
    return file


def open_with(azurite, container, upload, read=None, **options):
    storage = BlobStorage(container=container, account_url=azurite.account_url)
    return open_blob_store(storage, SasPair(upload, read), **options)


def blob_of(azurite, container, name):
    return azurite.client().get_blob_client(container, name)


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
        assert any("models/m: 5 of 9 MB" in message for message in caplog.messages)


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


class TestSignatures:
    """Minted with the least rights, for hours, and renewed."""

    def test_each_secret_of_a_node_has_one_right(self, store):
        secrets = store.node_secrets(60)
        assert {name: parse_qs(sas)["sp"] for name, sas in secrets.items()} == {READ_SAS: ["r"], UPLOAD_SAS: ["cw"]}

    def test_an_identity_signs_by_user_delegation_for_https_alone(self, azurite_https, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite_https.certificate))
        place = Place(azurite_https.account_url, azurite_https.new_container())
        minted = MintedSignatures(mint_as_identity(IdentityToken(), place)).token("upload")
        fields = parse_qs(minted)
        assert fields["skoid"]
        assert fields["spr"] == ["https"]
        assert fields["sp"] == ["cw"]
        assert datetime.fromisoformat(fields["st"][0]) < datetime.now(UTC)

    def test_minted_signatures_are_renewed_before_they_run_out(self):
        clock = [datetime(2026, 1, 1, tzinfo=UTC)]
        minted = []

        def mint(permissions, start, expiry):
            minted.append(expiry)
            return f"token-{len(minted)}"

        signatures = MintedSignatures(mint, now=lambda: clock[0])
        assert signatures.token("read") == "token-1"
        clock[0] += timedelta(hours=7)
        assert signatures.token("read") == "token-1"
        clock[0] += timedelta(minutes=45)
        assert signatures.token("read") == "token-2"
        assert minted[1] == clock[0] + timedelta(hours=8)

    def test_a_signature_outlasts_the_job_that_it_is_for(self):
        now = datetime(2026, 1, 1, tzinfo=UTC)
        minted = []
        signatures = MintedSignatures(lambda permissions, start, expiry: str(minted.append(expiry)), now=lambda: now)
        signatures.token("upload", 3600)
        signatures.token("upload", 24 * 3600)
        signatures.token("upload", 30 * 24 * 3600)
        assert [expiry - now for expiry in minted] == [
            timedelta(hours=8),
            timedelta(hours=24, minutes=30),
            timedelta(days=7) - timedelta(minutes=15),  # Azure gives out none for longer
        ]

    def test_a_store_works_on_with_the_signature_of_a_renewal(self, azurite, container, file):
        tokens = ["sig=of-no-use", azurite.sas(container, "cw")]

        class Renewed:
            can_read = False

            def token(self, right, seconds=0):
                return tokens[0]

        store = BlobStore(Place(azurite.account_url, container), Renewed())
        with pytest.raises(UserError, match="403"):
            store.put(file, "a")
        tokens.pop(0)
        store.put(file, "a")

    def test_a_given_sas_that_would_end_within_a_job_is_refused_before_it(self, azurite, container):
        store = open_with(azurite, container, azurite.sas(container, "cw"), azurite.sas(container, "r"))
        assert store.node_secrets(60)
        with pytest.raises(UserError, match="too early for what has to be done with it"):
            store.node_secrets(2 * 3600)

    def test_names_are_listed_only_where_the_read_sas_permits_it(self, azurite, container, file):
        store = open_with(azurite, container, azurite.sas(container, "cw"), azurite.sas(container, "r"))
        with pytest.raises(UserError, match="sp=rl"):
            store.list("")


def foreign_errors():
    """Every error class of Azure's libraries that can come out of a call to Blob storage."""
    modules = (
        azure.core.exceptions,
        azure.identity,
        azure.storage.blob._shared.authentication,
        azure.storage.blob._shared.response_handlers,
    )
    classes = {item for module in modules for item in vars(module).values() if inspect.isclass(item)}
    return sorted((item for item in classes if issubclass(item, Exception)), key=lambda item: item.__name__)


KNOWN = {*blob_errors.UNREACHABLE, *blob_errors.GARBLED, *blob_errors.REFUSED, *blob_errors.BY_STATUS}


class TestErrors:
    """Everything that Azure's libraries raise has a place in our tree."""

    def test_there_are_errors_to_look_at(self):
        assert len(foreign_errors()) >= 20

    @pytest.mark.parametrize("foreign", foreign_errors(), ids=lambda item: item.__name__)
    def test_each_foreign_error_is_mapped(self, foreign):
        if foreign in (Exception, ValueError, azure.core.exceptions.AzureError):
            return  # the bases of what is meant
        assert any(issubclass(foreign, known) for known in KNOWN)

    @pytest.mark.parametrize(
        ("foreign", "ours"),
        [
            (azure.core.exceptions.ServiceRequestError("no route"), RetryableError),
            (azure.core.exceptions.ServiceResponseTimeoutError("late"), RetryableError),
            (azure.core.exceptions.IncompleteReadError("cut"), RetryableError),
            (azure.core.exceptions.ClientAuthenticationError("no token"), UserError),
            (azure.identity.CredentialUnavailableError("az login"), UserError),
            (azure.core.exceptions.SerializationError("odd"), UserError),
        ],
        ids=lambda item: type(item).__name__ if isinstance(item, Exception) else item.__name__,
    )
    def test_the_kind_says_whether_trying_again_helps(self, foreign, ours):
        assert type(translate(foreign, "it failed")) is ours

    @pytest.mark.parametrize(
        ("status", "code", "ours"),
        [
            (429, "ServerBusy", RetryableError),
            (503, "ServerBusy", RetryableError),
            (500, "InternalError", RetryableError),
            (412, "ConditionNotMet", RetryableError),
            (400, "Md5Mismatch", RetryableError),
            (400, "InvalidUri", UserError),
            (401, "InvalidAuthenticationInfo", UserError),
            (403, "AuthenticationFailed", UserError),
            (403, "AuthorizationPermissionMismatch", UserError),
            (404, "ContainerNotFound", UserError),
            (409, "ContainerBeingDeleted", UserError),
        ],
    )
    def test_a_status_says_whether_trying_again_helps(self, status, code, ours):
        foreign = azure.core.exceptions.HttpResponseError("words with sig=abc")
        foreign.status_code, foreign.error_code = status, code
        error = translate(foreign, "it failed")
        assert type(error) is ours
        assert f"{status} {code}" in str(error)
        assert "abc" not in str(error)


class TestSecrets:
    """No signature and no key in any log, error, representation or job."""

    @pytest.fixture
    def pair(self, azurite, container):
        return SasPair(azurite.sas(container, "cw"), azurite.sas(container, "rl"))

    def signatures(self, *texts):
        found = [part for text in texts for part in text.replace("?", "&").split("&") if part.startswith("sig=")]
        assert found
        return [part.removeprefix("sig=") for part in found] + [parse_qs(part)["sig"][0] for part in found]

    def test_no_log_line_holds_a_signature(self, azurite, container, pair, file, tmp_path, caplog):
        caplog.set_level(logging.DEBUG)
        logging.getLogger("azure").setLevel(logging.DEBUG)
        store = open_with(azurite, container, pair.upload_sas, pair.read_sas)
        store.put(file, "a")
        store.get("a", tmp_path / "copy")
        store.list("")
        store.check()
        with pytest.raises(UserError):
            store.get("none", tmp_path / "copy")
        assert any("urllib3" in record.name for record in caplog.records)  # those that would tell whole addresses
        said = caplog.text + "".join(str(vars(record)) for record in caplog.records)
        assert HIDDEN in said
        assert not any(secret in said for secret in self.signatures(pair.upload_sas, pair.read_sas))

    @pytest.mark.parametrize("fault", ["refused", "unreachable"])
    def test_no_error_holds_a_signature_not_even_in_its_context(self, azurite, container, fault, file, monkeypatch):
        upload = azurite.sas("another", "cw")
        monkeypatch.setattr(blob_module, "client_options", lambda: {"retry_total": 0})
        url = azurite.account_url if fault == "refused" else "http://127.0.0.1:1/devstoreaccount1"
        with pytest.raises((UserError, RetryableError)) as caught:
            open_blob_store(BlobStorage(container=container, account_url=url), SasPair(upload))
        assert (caught.value.__context__, caught.value.__cause__) == (None, None)
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.args)
        said += pickle.dumps(caught.value).decode("latin1")
        assert not any(secret in said for secret in self.signatures(upload))

    def test_no_representation_holds_a_secret(self, azurite, container, pair, store):
        given = open_with(azurite, container, pair.upload_sas, pair.read_sas)
        credentials = [pair, ConnectionString(azurite.connection_string), ServicePrincipal("t", "c", azurite.key)]
        shown = [store, given, store._signatures, given._signatures, *credentials]
        shown += [client for _, client in given._opened.values()]
        urls = [client.url for _, client in given._opened.values()] + [given._blob("a", "read").url]
        said = "".join([repr(item) + str(item) for item in shown] + urls)
        secrets = [azurite.key, *self.signatures(pair.upload_sas, pair.read_sas, *store.node_secrets(60).values())]
        assert not any(secret in said for secret in secrets)

    def test_a_pickled_job_holds_no_signature(self, store):
        job = Job("j", "s", "recipe", {}, store.location("datasets/a"), store.location("jobs/s/j"))
        secrets = self.signatures(*store.node_secrets(60).values())
        assert not any(secret.encode() in pickle.dumps(job) for secret in secrets)
