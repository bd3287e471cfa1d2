"""A container of the emulator, a store in it, and a file to put there."""

import pytest

from retuner.parameters import BlobStorage
from retuner.storage.blob import open_blob_store
from retuner.storage.credentials import ConnectionString, SasPair


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
