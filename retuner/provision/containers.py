"""Whose a container of the workspace's storage account is: what Azure ML itself made there goes with it, no other."""

from collections.abc import Collection

_BLOBSTORE = "azureml-blobstore-"
MADE_BY_AZURE_ML = {
    "azureml",
    "azureml-metrics",
    "revisions",
    "snapshots",
    "snapshotzips",
    # what the workspace's key vault writes
    "insights-logs-auditevent",
    "insights-metrics-pt1m",
}


def containers_of_others(names: Collection[str], *, workspace_id: str | None) -> list[str]:
    """Containers that the workspace did not make, and so may hold anything; also another workspace's in the account.

    One for datasets is among them: people make it by hand, and may keep other things in it. `workspace_id` is the
    GUID in the name of the workspace's own blobstore, None where the workspace is gone.
    """
    blobstores = [name for name in names if name.startswith(_BLOBSTORE)]
    if workspace_id is not None:
        own = {f"{_BLOBSTORE}{workspace_id}"}
    else:
        own = set(blobstores) if len(blobstores) == 1 else set()  # each workspace has one, so one is that which is gone
    return sorted(set(names) - MADE_BY_AZURE_ML - own)
