"""Signatures of Blob storage: with the least rights, for hours, and in no log, error or representation."""

import logging
import pickle
import re
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from azurite import IdentityToken
from blob_stores import container, file, open_with, store

from retuner.errors import RetryableError, UserError
from retuner.parameters import BlobStorage
from retuner.storage import blob as blob_module
from retuner.storage.blob import BlobStore, open_blob_store
from retuner.storage.blob_signing import MintedSignatures, mint_as_identity
from retuner.storage.credentials import ConnectionString, SasPair, ServicePrincipal
from retuner.storage.sas import Place
from retuner_training.job import Job
from retuner_training.transfer import READ_SAS, UPLOAD_SAS

__all__ = ["container", "file", "store"]


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
        # by us, or before that by MLflow where it is imported
        assert re.search(r"sig=(\*{8}|\[REDACTED\])", said)
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
