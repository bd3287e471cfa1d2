"""Making what is missing: everything is checked first, then made piece by piece, each of which may be there already."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from retuner.azure_ml.marks import is_ours, tags_of
from retuner.compute.azure_ml_preflight import check_quota, find_size_if_seen
from retuner.compute.azure_ml_requests import check_nodes, cluster_id
from retuner.errors import RetryableError, UserError
from retuner.parameters.provision import AzureResources
from retuner.provision.network import subnet_id
from retuner.provision.record import note
from retuner.provision.resource_manager import MAKE_SECONDS
from retuner.provision.resources import NETWORK_API, WORKSPACE_API, Resource, group_id, kind_of, needed
from retuner.provision.site import Site

LOOK_SECONDS = 2.0
PROVIDER = "Microsoft.MachineLearningServices"
_WORKSPACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
_GROUP_NAME = re.compile(r"[\w().-]{0,89}[\w()-]")


@dataclass(frozen=True)
class Plan:
    """What is missing and will be made, and what is there and will be used."""

    group: bool
    """Whether the resource group has to be made; so for the others."""
    resources: tuple[Resource, ...]
    """What a new workspace needs; empty where the workspace is there."""
    workspace: bool
    cluster: bool


@dataclass(frozen=True)
class Piece:
    """One piece of the site."""

    title: str
    id: str
    created: bool

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.title}: {'made' if self.created else 'was there, left as it is'}"


def make_plan(site: Site, resources: AzureResources) -> Plan:
    """Look at everything that could stand against it, without changing anything. Raises UserError that tells it all."""
    compute, faults = site.compute, _Faults()
    with faults.kept():
        _check_names(site)
    with faults.kept():
        check_nodes(compute.min_nodes, compute.max_nodes, compute)
    faults.raise_all()
    tenant = site.manager.tenant()
    group = site.manager.group(site.name.resource_group)
    workspace = site.manager.find(site.name.scope, WORKSPACE_API) if group else None
    parts = () if workspace else tuple(needed(site.name, resources, tenant))
    is_ready = workspace is not None and workspace["properties"].get("provisioningState") == "Succeeded"
    computes = {one.name for one in site.workspace.computes()} if is_ready else set()
    has_cluster = compute.cluster in computes
    plan = Plan(group is None, parts, workspace is None, not has_cluster)
    location = str(workspace["location"]) if workspace else resources.location
    with faults.kept():
        _check_providers(site, plan)
    for part in parts:
        if part.body is None:
            with faults.kept():
                _check_given(site, part)
    with faults.kept():
        _check_rights(site, plan)
    with faults.kept():
        if has_cluster:
            site.cluster.cluster()  # refuses one of another kind, size, priority or network
        else:
            region = site.workspace.region(location)
            size = find_size_if_seen(region, compute)
            if size is not None:
                check_quota(region.quotas(), size, compute, nodes=compute.max_nodes)
    with faults.kept():
        _check_subnet(site)
    faults.raise_all()
    return plan


def make_group(site: Site, resources: AzureResources) -> Piece:
    """The resource group; one that is there is left as it is."""
    resource_id, name = group_id(site.name), site.name.resource_group
    is_new = site.manager.group(name) is None
    if is_new:
        tags = tags_of(resource_id)
        _noted(site, resource_id, lambda: site.manager.create_group(name, resources.location, tags))
    return Piece(f"resource group {name}", resource_id, is_new)


def make_resource(site: Site, resource: Resource) -> Piece:
    """One resource; one that is there is left as it is, unless an earlier attempt of ours at it failed."""
    found = site.manager.find(resource.id, resource.api_version)
    failed = found is not None and (found.get("properties") or {}).get("provisioningState") == "Failed"
    is_new = found is None or (failed and is_ours(resource.id, found.get("tags")))
    if is_new:
        if resource.body is None:
            raise UserError(f"{resource.id} is not there any more: correct resources.{resource.role}.")
        body = dict(resource.body)
        location = str(body["location"])
        name = resource.id.rpartition("/")[2]
        if resource.role == "key_vault" and site.manager.is_deleted_vault(name, location):
            body["properties"] = {**body["properties"], "createMode": "recover"}
        _noted(site, resource.id, lambda: site.manager.create(resource.id, resource.api_version, body))
    return Piece(resource.title, resource.id, is_new)


def make_workspace(site: Site, resources: AzureResources, plan: Plan) -> Piece:
    """The workspace of these resources. Returns once it is ready, also where an interrupted attempt began it."""
    scope = site.name.scope
    is_new = site.manager.find(scope, WORKSPACE_API) is None
    if is_new:
        parts = {resource.role: resource.id for resource in plan.resources}
        tags = tags_of(scope)
        _noted(site, scope, lambda: site.workspace.create(resources.location, parts, tags))
    deadline = time.monotonic() + MAKE_SECONDS
    while (state := _state(site)) != "Succeeded":
        if state in ("Failed", "Canceled"):
            raise UserError(f"The workspace {site.name.workspace} is {state}: delete it in the portal and start again.")
        if time.monotonic() > deadline:
            raise RetryableError(f"The workspace {site.name.workspace} is still {state} after {MAKE_SECONDS:.0f} s.")
        time.sleep(LOOK_SECONDS)
    return Piece(f"workspace {site.name.workspace}", scope, is_new)


def make_cluster(site: Site) -> Piece:
    """The cluster, with no node while nothing runs unless asked; one that is there is left as it is."""
    compute = site.compute
    is_new = compute.cluster not in {one.name for one in site.workspace.computes()}
    if is_new:
        _noted(site, cluster_id(compute), lambda: site.cluster.scale(compute.min_nodes, compute.max_nodes))
    return Piece(f"cluster {compute.cluster}", cluster_id(compute), is_new)


class _Faults:
    """Collects what stands against the plan, so that a person is told everything at once."""

    def __init__(self) -> None:
        self._messages: list[str] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        except UserError as fault:
            self._messages.append(str(fault))

    def raise_all(self) -> None:
        if self._messages:
            raise UserError(" ".join(self._messages))


def _noted(site: Site, resource_id: str, make: Callable[[], None]) -> None:
    note(site.settings, "make", resource_id)
    make()
    note(site.settings, "made", resource_id)


def _state(site: Site) -> str:
    found = site.manager.find(site.name.scope, WORKSPACE_API) or {}
    return str((found.get("properties") or {}).get("provisioningState", "not there"))


def _check_names(site: Site) -> None:
    group, workspace = site.name.resource_group, site.name.workspace
    if not _WORKSPACE_NAME.fullmatch(workspace):
        raise UserError(
            f"{workspace} is no name for a workspace: compute.workspace takes 3 to 33 letters, digits, dashes and "
            f"underscores, a letter or digit first."
        )
    if not _GROUP_NAME.fullmatch(group):
        raise UserError(
            f"{group} is no name for a resource group: compute.resource_group takes up to 90 letters, digits, dashes, "
            f"underscores, parentheses and full stops, no full stop last."
        )


def _check_providers(site: Site, plan: Plan) -> None:
    kinds = [kind_of(resource.id) for resource in plan.resources if resource.body is not None]
    namespaces = sorted({kind.partition("/")[0] for kind in kinds} | {PROVIDER})
    missing = [namespace for namespace in namespaces if not site.manager.is_registered(namespace)]
    if missing:
        commands = " && ".join(f"az provider register --wait --namespace {namespace}" for namespace in missing)
        raise UserError(f"The subscription does not use {', '.join(missing)} yet: {commands}.")


def _check_given(site: Site, part: Resource) -> None:
    if site.manager.find(part.id, part.api_version) is None:
        raise UserError(f"There is no {part.title}: correct resources.{part.role}, or leave it empty.")


def _check_rights(site: Site, plan: Plan) -> None:
    """Where the group is new, making it is the first act, and shows the rights."""
    if plan.group:
        return
    wanted = [f"{kind_of(resource.id)}/write" for resource in plan.resources if resource.body is not None]
    if plan.workspace:
        wanted += ["Microsoft.Resources/deployments/write", f"{PROVIDER}/workspaces/write"]
    if plan.cluster:
        wanted.append(f"{PROVIDER}/workspaces/computes/write")
    roles = site.manager.group_permissions(site.name.resource_group)
    missing = [action for action in wanted if not any(role.allows(action) for role in roles)]
    if missing:
        raise UserError(
            f"The identity may not {', '.join(missing)} in the resource group {site.name.resource_group}: give it "
            f"the role 'Contributor' there."
        )


def _check_subnet(site: Site) -> None:
    subnet = subnet_id(site.compute)
    if subnet is not None and site.manager.find(subnet, NETWORK_API) is None:
        raise UserError(
            f"There is no subnet {site.compute.subnet} in the network {site.compute.vnet}: correct compute.vnet, "
            f"compute.subnet or compute.vnet_resource_group."
        )
