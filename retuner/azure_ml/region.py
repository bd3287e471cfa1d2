"""What Resource Manager tells of a workspace's region and of our rights: read alone, as the SDK has no call for it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from retuner.azure_ml.errors import NotAllowed
from retuner.azure_ml.workspace import Workspace
from retuner.errors import UserError

MACHINE_LEARNING = "2023-04-01"
AUTHORIZATION = "2022-04-01"
"""Versions of the two interfaces."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VmSize:
    """A size of nodes that the region offers."""

    name: str
    cores: int
    family: str
    """Name of its quota."""


@dataclass(frozen=True)
class Quota:
    """vCPU of one kind that the subscription may use in the region."""

    name: str
    limit: int
    used: int


@dataclass(frozen=True)
class Permission:
    """What one role allows: actions with * for any text, and the exceptions from them."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def allows(self, action: str, *, data: bool = False) -> bool:
        """Whether the role holds the action and does not take it out again; `data`: on what a resource holds.

        An exception such as `computes/*/write` takes out `computes/write` too: built-in roles mean both with it.
        """
        granted, taken = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        meant = [*taken, *(pattern.replace("/*/", "/") for pattern in taken)]
        return _matches(action, granted) and not _matches(action, meant)


class Region:
    """The region of one workspace, or of one that is to be made. Methods raise RetryableError or UserError."""

    def __init__(self, workspace: Workspace, location: str | None = None) -> None:
        """`location` is for a workspace that is not there."""
        self._workspace = workspace
        self._location = location

    def location(self) -> str:
        """The region's name, such as `eastus2`."""
        if self._location is None:
            self._location = self._workspace.ask(
                "The workspace cannot be opened", lambda: str(self._workspace.open().location)
            )
        return self._location

    def vm_sizes(self) -> dict[str, VmSize]:
        """Sizes of nodes by their name in upper case. Raises NotAllowed where the identity may not see them."""
        path = self._in_region("vmSizes")
        try:
            described = self._read("The VM sizes of the region cannot be listed", path, "amlCompute")
        except NotAllowed:
            raise NotAllowed(
                "The VM sizes of the region, which belong to the subscription, cannot be listed by this identity: "
                "the role 'Reader' on the subscription allows it."
            ) from None
        sizes = [VmSize(str(one["name"]), int(one["vCPUs"]), str(one.get("family") or "")) for one in described]
        return {size.name.upper(): size for size in sizes}

    def quotas(self) -> list[Quota]:
        """All quotas of vCPU; empty, with a warning, where the identity may not see them."""
        try:
            found = self._read("The quota cannot be read", self._in_region("usages"), "value")
        except UserError as error:
            _log.warning("%s Without it, the quota is not checked.", error)
            return []
        return [Quota(str(one["name"]["value"]), int(one["limit"]), int(one["currentValue"])) for one in found]

    def permissions(self) -> list[Permission]:
        """What the identity may do with the workspace; empty, with a warning, where it may not see that."""
        path = f"{self._workspace.name.scope}/providers/Microsoft.Authorization/permissions"
        try:
            found = self._read("The identity's rights cannot be read", path, "value", version=AUTHORIZATION)
        except UserError as error:
            _log.warning("%s Without them, the identity's rights are not checked.", error)
            return []
        return [Permission(tuple(one.get("actions") or ()), tuple(one.get("notActions") or ())) for one in found]

    def _in_region(self, what: str) -> str:
        provider = "providers/Microsoft.MachineLearningServices"
        return f"/subscriptions/{self._workspace.name.subscription_id}/{provider}/locations/{self.location()}/{what}"

    def _read(self, what: str, path: str, field: str, *, version: str = MACHINE_LEARNING) -> list[Mapping[str, Any]]:
        def get() -> list[Mapping[str, Any]]:
            workspace = self._workspace.handle() if self._location else self._workspace.open()
            from azureml._compute._util import get_requests_session
            from azureml.core.compute import ComputeTarget

            root = ComputeTarget._get_resource_manager_endpoint(workspace).rstrip("/")
            headers = workspace._auth.get_authentication_header()
            answer = get_requests_session().get(f"{root}{path}", params={"api-version": version}, headers=headers)
            answer.raise_for_status()
            return list(answer.json()[field])

        return self._workspace.ask(what, get)


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
