"""The stores that the contract suite runs on: how each is opened."""

from retuner.parameters import BlobStorage
from retuner.storage.blob import BlobStore, open_blob_store
from retuner.storage.blob_signing import MintedSignatures, mint_as_identity
from retuner.storage.credentials import ConnectionString, SasPair
from retuner.storage.folder import FolderStore
from retuner.storage.sas import Place
from retuner.storage.store import Store


class Folder:
    """A folder of this machine."""

    name = "folder"

    def open(self, request, folder) -> Store:
        return FolderStore(folder / "store")


class BlobByKey:
    """Blob storage with signatures minted by the account's key, below a prefix."""

    name = "blob-key"

    def open(self, request, folder) -> Store:
        server = request.getfixturevalue("azurite")
        storage = BlobStorage(container=server.new_container(), prefix="team/faq")
        return open_blob_store(storage, ConnectionString(server.connection_string))


class BlobBySas:
    """Blob storage with two signatures that were handed out."""

    name = "blob-sas"

    def open(self, request, folder) -> Store:
        server = request.getfixturevalue("azurite")
        container = server.new_container()
        storage = BlobStorage(container=container, account_url=server.account_url)
        return open_blob_store(storage, SasPair(server.sas(container, "cw"), server.sas(container, "rl")))


class BlobByIdentity:
    """Blob storage over https, with user delegation signatures minted as an identity."""

    name = "blob-identity"

    def open(self, request, folder) -> Store:
        from azurite import IdentityToken

        server = request.getfixturevalue("azurite_https")
        request.getfixturevalue("monkeypatch").setenv("REQUESTS_CA_BUNDLE", str(server.certificate))
        place = Place(server.account_url, server.new_container(), "faq")
        store = BlobStore(place, MintedSignatures(mint_as_identity(IdentityToken(), place)))
        store.check()
        return store


BACKENDS = [Folder(), BlobByKey(), BlobBySas(), BlobByIdentity()]
