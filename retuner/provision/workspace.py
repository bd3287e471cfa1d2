"""The workspace as provisioning makes, measures and empties it: the part of it that calls azureml-core."""

import contextlib
import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from retuner.azure_ml.calls import default_sign_in, import_sdk
from retuner.azure_ml.region import Region
from retuner.azure_ml.workspace import Workspace, WorkspaceName
from retuner.provision.resource_manager import ADVICE, MAKE_SECONDS

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compute:
    """A compute target of the workspace."""

    name: str
    kind: str
    id: str
    tags: Mapping[str, str]


class AzureMlWorkspace:
    """Methods raise RetryableError or UserError. The workspace need not be there for `create` and `region`."""

    def __init__(self, name: WorkspaceName, sign_in: Callable[[], Any] | None = None) -> None:
        self._name = name
        self._sign_in = sign_in or default_sign_in
        self._workspace = Workspace(name, advice=ADVICE, sign_in=self._sign_in)

    def create(self, location: str, parts: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Make the workspace of these parts: resource ids by role. One that is there is left as it is."""
        name = self._name

        def make() -> None:
            import_sdk()
            from azureml.core import Workspace as SdkWorkspace

            printed = io.StringIO()  # it prints why it failed, to the stdout that may be a document's
            with contextlib.redirect_stdout(printed):
                SdkWorkspace.create(
                    name.workspace,
                    auth=self._sign_in(),
                    subscription_id=name.subscription_id,
                    resource_group=name.resource_group,
                    location=location,
                    create_resource_group=False,
                    tags=dict(tags),
                    storage_account=parts["storage_account"],
                    key_vault=parts["key_vault"],
                    app_insights=parts["application_insights"],
                    container_registry=parts["container_registry"],
                    hbi_workspace=True,  # what encrypts the nodes' local disks; it cannot be set later
                    exist_ok=True,
                    show_output=False,
                )
            _log.debug("%s", printed.getvalue())

        self._workspace.ask(f"The workspace {name.workspace} cannot be made", make, seconds=MAKE_SECONDS)

    def region(self, location: str) -> Region:
        """VM sizes and quota of a region, which the workspace need not be in yet."""
        return Region(self._workspace, location)

    def computes(self) -> list[Compute]:
        """Everything that computes in the workspace."""

        def read() -> list[Compute]:
            found = self._workspace.open().compute_targets.values()
            return [
                Compute(one.name, type(one).__name__, f"{self._name.scope}/computes/{one.name}", one.tags or {})
                for one in found
            ]

        return self._workspace.ask("The compute targets cannot be listed", read)

    def models(self) -> dict[str, dict[int, dict[str, str]]]:
        """Tags and properties of every version of every registered model, by its name and number."""

        def read() -> dict[str, dict[int, dict[str, str]]]:
            from azureml.core.model import Model

            found: dict[str, dict[int, dict[str, str]]] = {}
            for model in Model.list(self._workspace.open()):
                versions = found.setdefault(model.name, {})
                versions[model.version] = {**(model.tags or {}), **(model.properties or {})}
            return found

        return self._workspace.ask("The models cannot be listed", read)

    def experiments(self) -> list[str]:
        """Names of all experiments."""
        return self._workspace.ask(
            "The experiments cannot be listed", lambda: sorted(self._workspace.open().experiments)
        )

    def delete_compute(self, name: str) -> None:
        """Delete a compute target. Returns once it is gone."""

        def delete() -> None:
            found = self._workspace.open().compute_targets.get(name)
            if found is not None:
                found.delete()

        self._workspace.ask(f"The cluster {name} cannot be deleted", delete)
