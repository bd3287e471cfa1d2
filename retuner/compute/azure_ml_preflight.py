"""Whether a study can run on the workspace's cluster at all: asked before anything is created, changed or uploaded."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from retuner.azure_ml.errors import NotAllowed
from retuner.azure_ml.region import Permission, Quota, Region, VmSize
from retuner.compute.azure_ml_cluster import ClusterReport
from retuner.compute.azure_ml_requests import check_nodes, dedicated_parameters
from retuner.compute.azure_ml_service import AzureMlService
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute

SUBMIT = "Microsoft.MachineLearningServices/workspaces/experiments/runs/submit/action"
WRITE_CLUSTER = "Microsoft.MachineLearningServices/workspaces/computes/write"
ROLES = {SUBMIT: "AzureML Data Scientist", WRITE_CLUSTER: "AzureML Compute Operator"}
"""The least built-in role that holds an action."""
OPEN_SSH = "Nodes of the cluster %s can be reached by SSH from the Internet: make it anew to have that closed."
_DEDICATED, _LOW_PRIORITY = (f"Total Cluster {kind} Regional vCPUs" for kind in ("Dedicated", "LowPriority"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Need:
    """A cluster that the study may use."""

    parameters: AzureMlCompute
    cluster: ClusterReport | None
    """As it is; None where it is to be made."""
    nodes: int
    """What it will be allowed to grow to."""
    least: int
    """Nodes without which the study cannot go on as it was asked to."""


def check_azure_ml(service: AzureMlService, parameters: AzureMlCompute, nodes: int) -> None:
    """Raise UserError, with the next step, where `nodes` of the cluster cannot be had with these parameters.

    One node is enough of the cluster that trials may move to.
    """
    check_nodes(parameters.min_nodes, parameters.max_nodes, parameters)
    needs, region = [_Need(parameters, service.cluster(), nodes, nodes)], Region(service.workspace)
    if (other := dedicated_parameters(parameters)) is not None:
        needs.append(_Need(other, service.with_parameters(other).cluster(), parameters.max_nodes, 1))
    for need in needs:
        if need.cluster is not None and need.cluster.is_ssh_open:
            _log.warning(OPEN_SSH, need.parameters.cluster)
    check_rights(region.permissions(), dict.fromkeys(action for need in needs for action in _wanted_actions(need)))
    size = find_size_if_seen(region, parameters)
    if size is not None:
        quotas = region.quotas()
        for need in needs:
            own = 0 if need.cluster is None else need.cluster.present * size.cores
            check_quota(quotas, size, need.parameters, nodes=need.least, own=own)


def find_size_if_seen(region: Region, parameters: AzureMlCompute) -> VmSize | None:
    """The VM size of the nodes. None, with a warning, where roles on the resource group alone do not show the region's.

    Raises UserError as `find_size` does.
    """
    try:
        return find_size(region.vm_sizes(), parameters)
    except NotAllowed as error:
        _log.warning("%s Without it, compute.vm_size=%s and its quota are not checked.", error, parameters.vm_size)
        return None


def find_size(sizes: Mapping[str, VmSize], parameters: AzureMlCompute) -> VmSize:
    """The VM size of the nodes. Raises UserError where the region has none of that name."""
    size = sizes.get(parameters.vm_size.upper())
    if size is None:
        raise UserError(
            f"The region has no VM size {parameters.vm_size}: set compute.vm_size to one that it has, such as "
            f"{', '.join(sorted(found.name for found in sizes.values())[:6])}."
        )
    return size


def check_rights(permissions: Sequence[Permission], wanted: Iterable[str]) -> None:
    """Raise UserError where no role of the identity allows an action. Without any permission told, nothing is known."""
    if not permissions:
        return
    missing = [action for action in wanted if not any(one.allows(action) for one in permissions)]
    if missing:
        roles = " and ".join(f"'{ROLES[action]}'" for action in missing)
        raise UserError(f"The identity may not do {' and '.join(missing)}: give it the role {roles} on the workspace.")


def check_quota(quotas: Iterable[Quota], size: VmSize, parameters: AzureMlCompute, *, nodes: int, own: int = 0) -> None:
    """Raise UserError where so many nodes are more than a quota allows; warn where others use it up at present.

    `own` are the vCPU that the cluster holds already. What others use may be free when the first job comes, and a
    retune that finds nothing new needs no node.
    """
    needed = nodes * size.cores
    for quota in concerned_quotas(quotas, size, parameters):
        free = min(max(quota.limit - quota.used + own, 0), quota.limit)
        fact = (
            f"{nodes} nodes of {size.name} need {needed} vCPU, and {free} are available "
            f"of the {quota.limit} of the quota '{quota.name}'"
        )
        if needed > quota.limit:
            fewer = quota.limit // size.cores
            step = f"set compute.max_nodes to {fewer}" if fewer else "choose a smaller compute.vm_size"
            raise UserError(f"{fact}: {step}, or ask for more quota in the portal.")
        if needed > free:
            can_start = "fewer nodes" if free >= size.cores else "not one node"
            _log.warning("%s: %s can start at present.", fact, can_start)


def concerned_quotas(quotas: Iterable[Quota], size: VmSize, parameters: AzureMlCompute) -> list[Quota]:
    """The quotas of nodes of that size: of its family and of the region; low priority has one for all."""
    names = (_LOW_PRIORITY,) if parameters.low_priority else (_DEDICATED, size.family)
    return [quota for quota in quotas if quota.name in names]


def _wanted_actions(need: _Need) -> list[str]:
    """A cluster that is as the study wants it need not be changed."""
    cluster, parameters = need.cluster, need.parameters
    fits = (
        cluster is not None
        and cluster.kept >= parameters.min_nodes
        and cluster.most >= need.nodes
        and cluster.idle_seconds == parameters.idle_seconds
    )
    return [SUBMIT] if fits else [SUBMIT, WRITE_CLUSTER]
