"""Azure Resource Manager: subscriptions, the workspace, the region's VM sizes and quota."""

from typing import Any

from aiohttp import web

from azure_ml_emulator.service import ANY_SLASHES, SERVICE, WORKSPACE, Service
from azure_ml_emulator.state import CORES

routes = web.RouteTableDef()
PROVIDER = "/providers/Microsoft.MachineLearningServices"
SUBSCRIPTION = f"{ANY_SLASHES}subscriptions/{{subscription}}"
FAMILY = "standardDv2Family"
LOCATION = f"{SUBSCRIPTION}{PROVIDER}/locations/{{location}}"


@routes.get(f"{ANY_SLASHES}subscriptions")
async def subscriptions(request: web.Request) -> web.Response:
    return web.json_response({"value": [_subscription(request.app[SERVICE])]})


@routes.get(SUBSCRIPTION)
async def subscription(request: web.Request) -> web.Response:
    return web.json_response(_subscription(request.app[SERVICE]))


@routes.get(f"{SUBSCRIPTION}{PROVIDER}/workspaces")
@routes.get(f"{SUBSCRIPTION}/resourceGroups/{{group}}{PROVIDER}/workspaces")
async def workspaces(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    is_there = service.settings.scope.lower() in service.state.resources
    return web.json_response({"value": [workspace_body(service)] if is_there else []})


@routes.get(ANY_SLASHES + WORKSPACE.lstrip("/"))
async def workspace(request: web.Request) -> web.Response:
    return web.json_response(workspace_body(request.app[SERVICE]))


@routes.get(f"{LOCATION}/vmSizes")
async def vm_sizes(request: web.Request) -> web.Response:
    other = {"gpus": 0, "maxResourceVolumeMB": 100_000, "family": FAMILY}
    sizes = [{"name": name, "vCPUs": cores, "memoryGB": 4 * cores, **other} for name, cores in CORES.items()]
    return web.json_response({"amlCompute": sizes})


@routes.get(f"{LOCATION}/usages")
async def usages(request: web.Request) -> web.Response:
    """Cores in use and allowed: over all VM families, and of the one that there is."""
    quota = request.app[SERVICE].quota
    names = (*(f"Total Cluster {kind} Regional vCPUs" for kind in ("Dedicated", "LowPriority")), FAMILY)
    used = quota.used_cores()
    dedicated = quota.cores if quota.dedicated_cores is None else quota.dedicated_cores
    found = [
        {
            "name": {"value": name, "localizedValue": name},
            "currentValue": used,
            "limit": quota.cores if "LowPriority" in name else dedicated,
            "unit": "Count",
        }
        for name in names
    ]
    return web.json_response({"value": found})


def workspace_body(service: Service) -> dict[str, Any]:
    made = service.state.resources[service.settings.scope.lower()]
    own = {
        "friendlyName": service.settings.workspace,
        "workspaceId": service.workspace_id,
        "discoveryUrl": f"{service.data_plane}/discovery",
        "hbiWorkspace": False,
        "publicNetworkAccess": "Enabled",
    }
    return {**made, "sku": {"name": "Basic", "tier": "Basic"}, "properties": {**own, **made["properties"]}}


def _subscription(service: Service) -> dict[str, Any]:
    settings = service.settings
    return {
        "id": f"/subscriptions/{settings.subscription}",
        "subscriptionId": settings.subscription,
        "tenantId": settings.tenant,
        "displayName": "Emulated",
        "state": "Enabled",
    }
