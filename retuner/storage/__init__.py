"""Where datasets, results and models lie."""

from datetime import datetime
from pathlib import Path

from retuner.parameters import BlobStorage, FolderStorage
from retuner.settings import Settings
from retuner.storage.credentials import BlobCredentials
from retuner.storage.store import Store


def open_store(
    parameters: FolderStorage | BlobStorage,
    settings: Settings,
    *,
    credentials: BlobCredentials | None = None,
    until: datetime | None = None,
) -> Store:
    """The store that the parameters name; `credentials` and `until`, when the plan ends, matter to Blob storage alone.

    Raises UserError where Blob storage or its signatures cannot be used.
    """
    if isinstance(parameters, BlobStorage):
        from retuner.storage.blob import open_blob_store

        return open_blob_store(parameters, credentials, until=until)
    from retuner.storage.folder import FolderStore

    return FolderStore(Path(parameters.folder) if parameters.folder else settings.store)
