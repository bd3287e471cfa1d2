"""What a cluster that is there is like, and whether it is the one that the parameters mean: decided without Azure."""

from dataclasses import dataclass
from typing import Any

from retuner.errors import UserError
from retuner.parameters import AzureMlCompute

NO_NETWORK = "no virtual network"


@dataclass(frozen=True)
class ClusterReport:
    """A cluster as it is; most of that is decided when it is made, and stays."""

    kept: int
    """Nodes that it keeps up."""
    most: int
    """Nodes that it may have at most."""
    present: int
    """Nodes that it has now."""
    idle_seconds: int
    vm_size: str
    low_priority: bool
    network: str
    """`group/network/subnet` of its nodes, or NO_NETWORK."""
    is_ssh_open: bool
    """Whether its nodes can be reached from the Internet by SSH."""


def report_of(cluster: Any) -> ClusterReport:
    """What the SDK's cluster tells."""
    settings, status = cluster.scale_settings, cluster.get_status()
    names = (cluster.vnet_resourcegroup_name, cluster.vnet_name, cluster.subnet_name)
    ssh = str(cluster.remote_login_port_public_access or "").lower()
    return ClusterReport(
        kept=settings.minimum_node_count,
        most=settings.maximum_node_count,
        present=0 if status is None else int(status.current_node_count or 0),
        idle_seconds=settings.idle_seconds_before_scaledown,
        vm_size=cluster.vm_size,
        low_priority=str(cluster.vm_priority or "").lower() == "lowpriority",
        network="/".join(names) if cluster.vnet_name else NO_NETWORK,
        # where nobody specified it, Azure closes the port in a network alone
        is_ssh_open=ssh == "enabled" or (ssh == "notspecified" and not cluster.vnet_name),
    )


def check_cluster(found: ClusterReport, parameters: AzureMlCompute) -> None:
    """Raise UserError where the cluster's nodes are not those that are asked for."""
    name = parameters.cluster
    is_fallback = name == parameters.dedicated_cluster
    another = f"name another cluster in compute.{'dedicated_cluster' if is_fallback else 'cluster'}"
    if found.vm_size.upper() != parameters.vm_size.upper():
        raise UserError(
            f"The cluster {name} has nodes of {found.vm_size}, not {parameters.vm_size}: set compute.vm_size "
            f"to {found.vm_size}, or {another}."
        )
    if found.low_priority != parameters.low_priority:
        there, asked = ("low-priority", "dedicated") if found.low_priority else ("dedicated", "low-priority")
        step = "" if is_fallback else f"set compute.low_priority to {str(found.low_priority).lower()}, or "
        raise UserError(f"The cluster {name} has {there} nodes, not {asked} ones: {step}{another}.")
    network = network_of(parameters)
    if found.network.lower() != network.lower():
        raise UserError(
            f"The nodes of the cluster {name} join {found.network}, not {network}: correct compute.vnet, "
            f"compute.subnet and compute.vnet_resource_group, or {another}."
        )


def network_of(parameters: AzureMlCompute) -> str:
    """`group/network/subnet` that the nodes shall join, or NO_NETWORK."""
    group = parameters.vnet_resource_group or parameters.resource_group
    return f"{group}/{parameters.vnet}/{parameters.subnet}" if parameters.vnet else NO_NETWORK
