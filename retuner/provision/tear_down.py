"""Taking away what provisioning made, and nothing else: told first, then deleted in the order that Azure wants."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from retuner.azure_ml.marks import is_ours
from retuner.compute.azure_ml_requests import cluster_id
from retuner.errors import UserError
from retuner.provision.containers import MADE_BY_AZURE_ML, containers_of_others
from retuner.provision.record import note
from retuner.provision.resources import WORKSPACE_API, group_id, name_of, own_ids
from retuner.provision.site import Site

_STUDY = re.compile(r".+-[0-9a-f]{8}-\d+")
_OUR_MODEL = "retuner"
"""What the names of our tags and properties on a model begin with."""


@dataclass(frozen=True)
class Doomed:
    """Something that will be deleted."""

    title: str
    id: str
    api_version: str
    takes: str = ""
    """What goes with it, for people."""
    containers: tuple[str, ...] = ()
    """Of a storage account, those that were there when it was looked at."""

    @property
    def line(self) -> str:
        return f"{self.title}{f', and with it {self.takes}' if self.takes else ''}"


@dataclass(frozen=True)
class Kept:
    """Something that stays, and why."""

    title: str
    reason: str

    @property
    def line(self) -> str:
        return f"{self.title} stays: {self.reason}"


@dataclass(frozen=True)
class Demolition:
    """What tear-down will do."""

    delete: tuple[Doomed, ...]
    """In this order."""
    keep: tuple[Kept, ...]


def survey(site: Site, delete_containers: Collection[str] = ()) -> Demolition:
    """What would be deleted and what would stay. Changes nothing.

    A storage account stays with a container that Azure ML did not make, unless `delete_containers` names it.
    """
    group = site.manager.group(site.name.resource_group)
    if group is None:
        return Demolition((), ())
    workspace = site.manager.find(site.name.scope, WORKSPACE_API)
    found = {role: site.manager.find(resource_id, version) for role, resource_id, version in own_ids(site.name)}
    account = _look_at_account(site, found["storage_account"], workspace, delete_containers)
    delete, keep = _survey_workspace(site, workspace, account)
    stays = workspace is not None and not any(one.id == site.name.scope for one in delete)
    used = {str(value).lower() for value in workspace["properties"].values()} if stays and workspace else set()
    # the last made goes first: what writes into another is gone before it
    for role, resource_id, api_version in reversed(own_ids(site.name)):
        title = f"{role.replace('_', ' ')} {name_of(resource_id)}"
        resource = found[role]
        if resource is None:
            continue
        if not is_ours(resource_id, resource.get("tags")):
            keep.append(Kept(title, "it has no mark of retuner's"))
        elif role == "storage_account" and account.others:
            keep.append(Kept(title, account.reason))
        elif resource_id.lower() in used or (stays and role == "logs"):
            keep.append(Kept(title, "the workspace uses it"))
        else:
            containers = account.containers if role == "storage_account" else ()
            delete.append(Doomed(title, resource_id, api_version, _content(role, containers), containers))
    _survey_group(site, group, delete, keep)
    return Demolition(tuple(delete), tuple(keep))


def check_confirmation(site: Site, confirm: str, plan: Demolition) -> None:
    """Raises UserError, with all that would be deleted, unless `confirm` is the workspace's name."""
    if plan.delete and confirm != site.name.workspace:
        lines = "; ".join(one.line for one in plan.delete)
        raise UserError(
            f"Nothing was deleted. This would be: {lines}. To delete it, confirm with the workspace's name: "
            f"--confirm {site.name.workspace}"
        )


def demolish(site: Site, doomed: Doomed) -> None:
    """Delete one thing; one that is gone already is no fault."""
    note(site.settings, "delete", doomed.id)
    if doomed.id == group_id(site.name):
        if others := site.manager.contents(site.name.resource_group):
            names = ", ".join(map(name_of, others))
            raise UserError(f"The {doomed.title} was not deleted: {names} came into it meanwhile.")
        site.manager.delete_group(site.name.resource_group)
    elif doomed.id == cluster_id(site.compute):
        site.workspace.delete_compute(site.compute.cluster)
    else:
        known = MADE_BY_AZURE_ML | set(doomed.containers)
        if doomed.id == _account_id(site) and (new := set(site.manager.containers(doomed.id)) - known):
            names = ", ".join(sorted(new))
            raise UserError(f"The {doomed.title} was not deleted: the containers {names} came into it meanwhile.")
        site.manager.delete(doomed.id, doomed.api_version)
    note(site.settings, "deleted", doomed.id)


@dataclass(frozen=True)
class _Account:
    """The storage account that provisioning made; empty where it made none."""

    name: str
    containers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Containers that keep it from being deleted."""
    named: tuple[str, ...] = ()
    """Those that would not, as they were named."""
    is_used: bool = False
    """Whether the workspace uses it."""

    @property
    def reason(self) -> str:
        """Why it stays, and what to do."""
        return (
            f"it holds the containers {', '.join(self.others)}, which Azure ML did not make: delete them, or let them "
            f"be deleted with it: --delete-containers {','.join(sorted((*self.named, *self.others)))}"
        )


def _account_id(site: Site) -> str:
    return next(resource_id for role, resource_id, _ in own_ids(site.name) if role == "storage_account")


def _look_at_account(
    site: Site, found: dict[str, Any] | None, workspace: dict[str, Any] | None, delete_containers: Collection[str]
) -> _Account:
    resource_id = _account_id(site)
    if found is None or not is_ours(resource_id, found.get("tags")):
        return _Account(name_of(resource_id))
    properties = workspace["properties"] if workspace else {}
    containers = site.manager.containers(resource_id)
    others = containers_of_others(containers, workspace_id=properties.get("workspaceId"))
    return _Account(
        name_of(resource_id),
        containers=tuple(containers),
        others=tuple(name for name in others if name not in delete_containers),
        named=tuple(name for name in others if name in delete_containers),
        is_used=str(properties.get("storageAccount")).lower() == resource_id.lower(),
    )


def _survey_workspace(
    site: Site, workspace: dict[str, Any] | None, account: _Account
) -> tuple[list[Doomed], list[Kept]]:
    """The workspace where it is ours and holds nothing of others; else the cluster, where that is ours."""
    if workspace is None:
        return [], []
    title = f"workspace {site.name.workspace}"
    foreign = list(_foreign(site)) if is_ours(site.name.scope, workspace.get("tags")) else ["it is none of retuner's"]
    if account.is_used and account.others:
        foreign.append(f"its storage account {account.name} holds the containers {', '.join(account.others)}")
    if not foreign:
        names = [f"cluster {one.name}" for one in site.workspace.computes()]
        names += [f"model {name}" for name in site.workspace.models()]
        names += [f"study {name}" for name in site.workspace.experiments()]
        return [Doomed(title, site.name.scope, WORKSPACE_API, ", ".join(names))], []
    delete, keep = [], [Kept(title, "; ".join(foreign))]
    for one in site.workspace.computes():
        if one.name == site.compute.cluster and is_ours(one.id, one.tags):
            delete.append(Doomed(f"cluster {one.name}", one.id, WORKSPACE_API))
        elif one.name == site.compute.cluster:
            keep.append(Kept(f"cluster {one.name}", "it has no mark of retuner's"))
    return delete, keep


def _foreign(site: Site) -> Iterator[str]:
    """What somebody else has put into the workspace."""
    computes = [one.name for one in site.workspace.computes() if not is_ours(one.id, one.tags)]
    models = [
        f"{name} version {version}"
        for name, versions in site.workspace.models().items()
        for version, tags in versions.items()
        if not any(tag.startswith(_OUR_MODEL) for tag in tags)
    ]
    experiments = [name for name in site.workspace.experiments() if not _STUDY.fullmatch(name)]
    for kind, names in (("compute targets", computes), ("models", models), ("experiments", experiments)):
        if names:
            yield f"it holds the {kind} {', '.join(names)}, which retuner did not make"


def _content(role: str, containers: Collection[str]) -> str:
    if containers:
        return f"its containers {', '.join(containers)}"
    return "its secrets, which can be recovered for 90 days" if role == "key_vault" else ""


def _survey_group(site: Site, group: dict[str, Any], delete: list[Doomed], keep: list[Kept]) -> None:
    """The resource group goes last, where we made it and nothing else is in it."""
    title, resource_id = f"resource group {site.name.resource_group}", group_id(site.name)
    if not is_ours(resource_id, group.get("tags")):
        keep.append(Kept(title, "it has no mark of retuner's"))
        return
    doomed = {one.id.lower() for one in delete}
    left = [one for one in site.manager.contents(site.name.resource_group) if one.lower() not in doomed]
    others = ["/".join(one.split("/")[-2:]) for one in left]  # with the kind: we give one name to five of them
    if others:
        keep.append(Kept(title, f"it also holds {', '.join(others)}"))
    else:
        delete.append(Doomed(title, resource_id, ""))
