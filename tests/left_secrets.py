"""Whether a secret was left anywhere: in a file, a database, a log, a blob, or in what Azure ML keeps of its runs."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from azure_retune import AzureRetune
from azurite import Azurite


def files_in(folder: Path) -> dict[str, bytes]:
    """Content of every file below the folder, databases among them, by path."""
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def stored(azurite: Azurite, containers: Iterable[str]) -> dict[str, bytes]:
    """Every blob of the containers, by container and name."""
    return dict(_blobs(azurite, containers))


def kept_by_azure_ml(retune: AzureRetune) -> bytes:
    """Definitions with their arguments, tags, properties and errors of all runs; models, environments and assets."""
    kept = retune.emulator.inspect(
        lambda service: (
            [[run.definition, run.tags, run.properties, run.fields, run.error] for run in service.state.runs.values()]
            + [service.state.models, service.state.environments, service.state.assets]
        )
    )
    return json.dumps(kept, default=str).encode()


def found_in(places: dict[str, bytes], secrets: Iterable[str]) -> list[tuple[str, str]]:
    """Each place that holds a secret, whole or its signature alone, with how that begins."""
    signatures = {value.partition("sig=")[2].partition("&")[0] for value in secrets if "sig=" in value}
    wanted = {*secrets, *signatures, *map(unquote, signatures)}
    return [(name, one[:4]) for name, content in places.items() for one in wanted if one.encode() in content]


def _blobs(azurite: Azurite, containers: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for name in containers:
        container = azurite.client().get_container_client(name)
        for blob in container.list_blobs():
            yield f"{name}/{blob.name}", container.download_blob(blob.name).readall()
