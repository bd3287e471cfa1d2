"""The models of an Azure ML workspace as the registry uses them: the only part of it that calls azureml-core.

`azureml.core.Model.register` is not used: it takes nothing outside the working directory, prints to stdout, logs a
failed upload and registers the version all the same. Its own clients, one step lower, do each step by itself.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retuner.azure_ml.workspace import CALL_SECONDS, Workspace, WorkspaceName

ORIGIN = "LocalUpload"
BATCH = 50
"""Artifacts in one request, as many as the SDK asks for."""
PAGE = 255
_ASSET = "aml://asset/"
ADVICE = {
    403: "give the identity the role 'AzureML Data Scientist' on the workspace",
    404: "check registry.subscription_id, registry.resource_group and registry.workspace",
}
"""The next step by HTTP status."""


@dataclass(frozen=True)
class StoredModel:
    """One version of a model as the workspace holds it."""

    id: str
    version: int
    tags: Mapping[str, str]
    properties: Mapping[str, str]
    asset: str
    """Id of the asset that lists its files."""


class AzureMlModels:
    """Methods raise RetryableError or UserError."""

    def __init__(
        self,
        name: WorkspaceName,
        *,
        sign_in: Callable[[], Any] | None = None,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._workspace = Workspace(name, advice=ADVICE, sign_in=sign_in, call_seconds=call_seconds)

    def versions(self, name: str) -> list[StoredModel]:
        """All versions of the model, newest first."""

        def read() -> list[StoredModel]:
            found = self._models().query(name=name, count=PAGE)
            return [_stored(model) for model in found if model.name == name]

        found = self._workspace.ask(
            f"The versions of {name} in the workspace {self._workspace.name.workspace} cannot be listed", read
        )
        return sorted(found, key=lambda model: model.version, reverse=True)

    def upload_addresses(self, names: Sequence[str], what: str) -> tuple[str, dict[str, str]]:
        """A new place for files, and the signed address to write each of them to."""
        place = f"{ORIGIN}/{uuid.uuid4().hex}"

        def create(batch: Sequence[str]) -> Callable[[], dict[str, str]]:
            def call() -> dict[str, str]:
                answer = self._artifacts().create_empty_artifacts(*place.split("/"), list(batch))
                return {name: one.content_uri for name, one in answer.artifact_content_information.items()}

            return call

        addresses: dict[str, str] = {}
        for batch in _batches(names):
            addresses |= self._workspace.ask(what, create(batch))
        return place, addresses

    def read_addresses(self, place: str, what: str) -> dict[str, str]:
        """The signed address to read each file of the place from, by its name there."""

        def read() -> dict[str, str]:
            found = self._artifacts().get_files_by_artifact_prefix_id(f"{place}/")
            return {str(Path(path)): address for path, address in found}

        return self._workspace.ask(what, read)

    def place_of(self, model: StoredModel, what: str) -> str:
        """Where the files of a version lie."""

        def read() -> str:
            asset = self._assets().get_asset_by_id(model.asset)
            return str(asset.artifacts[0].prefix).rstrip("/")

        return self._workspace.ask(what, read)

    def create(
        self, name: str, place: str, *, tags: Mapping[str, str], properties: Mapping[str, str], what: str
    ) -> StoredModel:
        """Make the next version of the files in the place: it is there with its tags and properties, or not at all."""

        def make() -> StoredModel:
            asset = self._assets().create_asset(name, [{"prefix": place}], None)
            url = f"{_ASSET}{asset.id}"
            # without a list of datasets, even an empty one, the SDK cannot list the model
            made = self._models().register_model(
                name, tags=dict(tags), properties=dict(properties), url=url, datasets=[]
            )
            return _stored(made)

        return self._workspace.ask(what, make)

    def set_tags(self, model: StoredModel, tags: Mapping[str, str], what: str) -> None:
        """Replace the version's tags by these."""
        change = {"op": "replace", "path": "/kvTags", "value": dict(tags)}
        self._workspace.ask(what, lambda: self._models().patch(model.id, body=[change]))

    def _models(self) -> Any:
        workspace = self._workspace.open()
        from azureml._restclient.models_client import ModelsClient

        return _without_retries(ModelsClient(workspace.service_context))

    def _assets(self) -> Any:
        workspace = self._workspace.open()
        from azureml._restclient.assets_client import AssetsClient

        return _without_retries(AssetsClient(workspace.service_context))

    def _artifacts(self) -> Any:
        workspace = self._workspace.open()
        from azureml._restclient.artifacts_client import ArtifactsClient

        return _without_retries(ArtifactsClient(workspace.service_context))


def _without_retries(client: Any) -> Any:
    """A request that is sent again after its answer was lost would make a second version."""
    client.retries = 0
    return client


def _stored(model: Any) -> StoredModel:
    return StoredModel(
        id=model.id,
        version=int(model.version),
        tags=dict(model.kv_tags or {}),
        properties=dict(model.properties or {}),
        asset=str(model.url).removeprefix(_ASSET),
    )


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), BATCH):
        yield names[first : first + BATCH]
