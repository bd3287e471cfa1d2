"""The subnet that the nodes join."""

from retuner.azure_ml.identity import workspace_of
from retuner.parameters import AzureMlCompute


def subnet_id(compute: AzureMlCompute) -> str | None:
    """Resource id of the nodes' subnet; None where they join no network."""
    if compute.vnet is None:
        return None
    name = workspace_of(compute)
    group = compute.vnet_resource_group or name.resource_group
    provider = "providers/Microsoft.Network"
    place = f"/subscriptions/{name.subscription_id}/resourceGroups/{group}/{provider}"
    return f"{place}/virtualNetworks/{compute.vnet}/subnets/{compute.subnet}"
