"""Azure Resource Manager: resource groups, resources of any kind, template deployments, and who may do what."""

import asyncio
import re
from fnmatch import fnmatch
from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.routes.operations import accepted, start_operation
from azure_ml_emulator.service import ANY_SLASHES, SERVICE, Service

routes = web.RouteTableDef()
SUBSCRIPTION = f"{ANY_SLASHES}subscriptions/{{subscription}}"
GROUP = SUBSCRIPTION + "/{word:resource[gG]roups}/{group}"
"""Clients write the word either way."""
AUTHORIZATION = "providers/Microsoft.Authorization"
DEPLOYMENT = f"{GROUP}/providers/Microsoft.Resources/deployments/{{deployment}}"
RESOURCE = f"{GROUP}/providers/{{namespace}}/{{kind}}/{{name}}"
VAULTS = "Microsoft.KeyVault/vaults"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
NAMES = {
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    VAULTS: r"[A-Za-z](-?[A-Za-z0-9]){2,23}",
    "Microsoft.ContainerRegistry/registries": r"[A-Za-z0-9]{5,50}",
    WORKSPACES: r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}",
}
SUMMARY = ("id", "name", "type", "location", "tags")
"""What a list shows of a resource."""
LOCATIONS = ["West Europe", "North Europe"]


@routes.get(f"{SUBSCRIPTION}/providers/{{namespace}}")
async def provider(request: web.Request) -> web.Response:
    namespace = request.match_info["namespace"]
    registered = namespace not in request.app[SERVICE].state.unregistered
    return web.json_response(
        {
            "namespace": namespace,
            "registrationState": "Registered" if registered else "NotRegistered",
            "resourceTypes": [{"resourceType": "workspaces", "locations": LOCATIONS, "apiVersions": []}],
        }
    )


@routes.get(f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/{{location}}/deletedVaults/{{name}}")
async def deleted_vault(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name.lower() not in request.app[SERVICE].state.deleted_vaults:
        raise ServiceError(404, "DeletedVaultNotFound", f"The specified deleted vault {name} does not exist.")
    return web.json_response({"name": name, "type": "Microsoft.KeyVault/deletedVaults"})


@routes.get(GROUP)
async def read_group(request: web.Request) -> web.Response:
    return web.json_response(_group(request))


@routes.put(GROUP)
async def write_group(request: web.Request) -> web.Response:
    service, name, body = request.app[SERVICE], request.match_info["group"], await request.json()
    _allow(service, "Microsoft.Resources/subscriptions/resourceGroups/write")
    group = {
        "id": f"/subscriptions/{service.settings.subscription}/resourceGroups/{name}",
        "name": name,
        "location": body["location"],
        "tags": body.get("tags") or {},
        "properties": {"provisioningState": "Succeeded"},
    }
    service.state.groups[name.lower()] = group
    return web.json_response(group, status=201)


@routes.delete(GROUP)
async def delete_group(request: web.Request) -> web.Response:
    """With everything in it, as the service does it."""
    service, group = request.app[SERVICE], _group(request)
    _allow(service, "Microsoft.Resources/subscriptions/resourceGroups/delete")
    prefix = f"{group['id']}/".lower()
    for key in [key for key in service.state.resources if key.startswith(prefix)]:
        del service.state.resources[key]
    service.state.groups.pop(group["name"].lower())
    return web.json_response({}, status=200)


@routes.get(f"{GROUP}/resources")
async def list_resources(request: web.Request) -> web.Response:
    prefix = f"{_group(request)['id']}/".lower()
    found = [body for key, body in request.app[SERVICE].state.resources.items() if key.startswith(prefix)]
    return web.json_response({"value": [{key: one[key] for key in SUMMARY} for one in found]})


@routes.get(f"{SUBSCRIPTION}/resources")
async def find_resources(request: web.Request) -> web.Response:
    """By `resourceType eq '..' and name eq '..'`."""
    asked = dict(re.findall(r"(\w+) eq '([^']*)'", request.query.get("$filter", "")))
    found = [
        one
        for one in request.app[SERVICE].state.resources.values()
        if one.get("type") == asked.get("resourceType") and one["name"] == asked.get("name")
    ]
    return web.json_response({"value": [{key: one[key] for key in SUMMARY} for one in found]})


@routes.get(f"{GROUP}/{AUTHORIZATION}/permissions")
@routes.get(f"{RESOURCE}/{AUTHORIZATION}/permissions")
@routes.get(f"{GROUP}/providers/{{namespace}}//{{kind}}/{{name}}/{AUTHORIZATION}/permissions")
async def permissions(request: web.Request) -> web.Response:
    """What the caller may do there."""
    settings = request.app[SERVICE].settings
    granted = {
        "actions": list(settings.actions),
        "notActions": list(settings.not_actions),
        "dataActions": list(settings.data_actions),
        "notDataActions": [],
    }
    return web.json_response({"value": [granted]})


@routes.get(f"{GROUP}/{AUTHORIZATION}/locks")
async def locks(request: web.Request) -> web.Response:
    levels = request.app[SERVICE].settings.locks
    found = [{"id": f"/locks/{level}", "name": f"the-{level}-lock", "properties": {"level": level}} for level in levels]
    return web.json_response({"value": found})


@routes.get(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{{name}}/blobServices/default/containers")
async def containers(request: web.Request) -> web.Response:
    """What a workspace makes in its account, and what somebody has made beside it."""
    names = await request.app[SERVICE].blobs.containers()
    return web.json_response({"value": [{"name": name, "properties": {}} for name in names]})


@routes.put(DEPLOYMENT)
async def deploy(request: web.Request) -> web.Response:
    """Every resource of the template, in the order in which it names them."""
    service, group = request.app[SERVICE], _group(request)
    _allow(service, "Microsoft.Resources/deployments/write")
    template = (await request.json())["properties"]["template"]
    name = request.match_info["deployment"]
    key = f"{group['id']}/{name}".lower()
    body: dict[str, Any] = {"id": key, "name": name, "properties": {"provisioningState": "Running"}}
    service.state.deployments[key] = body

    async def work() -> None:
        await asyncio.sleep(service.settings.provision_seconds)
        try:
            for resource in template["resources"]:
                put_resource(service, f"{group['id']}/providers/{resource['type']}/{resource['name']}", resource)
        except ServiceError:
            body["properties"]["provisioningState"] = "Failed"
            raise
        body["properties"]["provisioningState"] = "Succeeded"

    return accepted(service, start_operation(service, work()), body, status=201)


@routes.get(DEPLOYMENT)
async def read_deployment(request: web.Request) -> web.Response:
    key = f"{_group(request)['id']}/{request.match_info['deployment']}".lower()
    return web.json_response(request.app[SERVICE].state.deployments[key])


@routes.get(RESOURCE)
@routes.get(f"{RESOURCE}/{{below}}/{{inner}}")
async def read_resource(request: web.Request) -> web.Response:
    """A resource, or a part of one, such as the subnet of a network."""
    return web.json_response(find_resource(request.app[SERVICE], request.path))


@routes.put(RESOURCE)
async def write_resource(request: web.Request) -> web.Response:
    """Made after a while; asked for again it is what it was, with the new properties."""
    service, body = request.app[SERVICE], await request.json()
    _group(request)
    made = put_resource(service, re.sub("^/+", "/", request.path), body, state="Creating")

    async def work() -> None:
        await asyncio.sleep(service.settings.provision_seconds)
        made["properties"]["provisioningState"] = "Succeeded"

    return accepted(service, start_operation(service, work()), made, status=201)


@routes.delete(RESOURCE)
async def delete_resource(request: web.Request) -> web.Response:
    """A vault can be recovered, all else is gone; a workspace takes its computes with it."""
    service = request.app[SERVICE]
    found = find_resource(service, request.path)
    _allow(service, f"{found['type']}/delete")
    if found["type"] == VAULTS:
        service.state.deleted_vaults.add(found["name"].lower())
    if found["type"] == WORKSPACES:
        for cluster in service.clusters.values():
            await cluster.stop()
        service.clusters.clear()
    del service.state.resources[found["id"].lower()]
    return web.json_response({}, status=200)


def put_resource(service: Service, path: str, body: dict[str, Any], *, state: str = "Succeeded") -> dict[str, Any]:
    """Keep the resource of this id. Raises ServiceError where name, place or rights are not right."""
    match = re.fullmatch(r".*/providers/([^/]+/[^/]+)/([^/]+)", path)
    assert match is not None
    kind, name = match.groups()
    _allow(service, f"{kind}/write")
    if kind in NAMES and not re.fullmatch(NAMES[kind], name):
        raise ServiceError(400, "InvalidResourceName", f"{name} is not a valid name of a {kind}.")
    properties = dict(body.get("properties") or {})
    if kind == VAULTS and name.lower() in service.state.deleted_vaults:
        if properties.get("createMode") != "recover":
            raise ServiceError(409, "ConflictError", f"A vault with the name {name} already exists in deleted state.")
        service.state.deleted_vaults.remove(name.lower())
    kept = {key: value for key, value in body.items() if key in ("location", "tags", "sku", "kind", "identity")}
    made = {"tags": {}, **kept, "id": path, "name": name, "type": kind}
    made["properties"] = {**properties, "provisioningState": state}
    service.state.resources[path.lower()] = made
    return made


def find_resource(service: Service, path: str) -> dict[str, Any]:
    key = re.sub("^/+", "/", path).lower()
    if key not in service.state.resources:
        raise ServiceError(404, "ResourceNotFound", f"The Resource '{key.partition('/providers/')[2]}' was not found.")
    return service.state.resources[key]


def furnish(service: Service) -> None:
    """Put the workspace and what it needs into the resource group, as somebody else would have made them."""
    settings, account = service.settings, service.blobs.account.name
    group = f"/subscriptions/{settings.subscription}/resourceGroups/{settings.group}"
    service.state.groups[settings.group.lower()] = {
        "id": group,
        "name": settings.group,
        "location": settings.location,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    }
    secure = {
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "allowBlobPublicAccess": False,
        "encryption": {"services": {"blob": {"enabled": True}}, "keySource": "Microsoft.Storage"},
        "networkAcls": {"defaultAction": "Allow", "bypass": "AzureServices", "virtualNetworkRules": []},
    }
    vault = {"enableSoftDelete": True, "enablePurgeProtection": True}
    registry = {"anonymousPullEnabled": False, "encryption": {"status": "disabled"}}
    parts = {
        "storageAccount": ("Microsoft.Storage/storageAccounts", account, {**secure, **settings.storage}),
        "keyVault": (VAULTS, settings.workspace, vault),
        "applicationInsights": ("Microsoft.Insights/components", settings.workspace, {}),
        "containerRegistry": ("Microsoft.ContainerRegistry/registries", settings.workspace, registry),
    }
    for kind, name, properties in parts.values():
        _place(service, f"{group}/providers/{kind}/{name}", properties)
    ids = {role: f"{group}/providers/{kind}/{name}" for role, (kind, name, _) in parts.items()}
    _place(service, settings.scope, ids)
    for name, subnet in settings.subnets.items():
        network, _, inner = name.partition("/")
        path = f"{group}/providers/Microsoft.Network/virtualNetworks/{network}"
        service.state.resources[f"{path}/subnets/{inner}".lower()] = {"id": f"{path}/subnets/{inner}", **subnet}


def _place(service: Service, path: str, properties: dict[str, Any]) -> None:
    kind, _, name = path.partition("/providers/")[2].rpartition("/")
    body = {"id": path, "name": name, "type": kind, "location": service.settings.location, "tags": {}}
    service.state.resources[path.lower()] = {**body, "properties": {**properties, "provisioningState": "Succeeded"}}


def _allow(service: Service, action: str) -> None:
    """Raises 403 where the caller's roles do not include the action."""
    settings = service.settings
    granted = any(fnmatch(action.lower(), pattern.lower()) for pattern in settings.actions)
    if not granted or any(fnmatch(action.lower(), pattern.lower()) for pattern in settings.not_actions):
        raise ServiceError(
            403, "AuthorizationFailed", f"The client does not have authorization to perform action '{action}'."
        )


def _group(request: web.Request) -> dict[str, Any]:
    name = request.match_info["group"]
    group = request.app[SERVICE].state.groups.get(name.lower())
    if group is None:
        raise ServiceError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    return group
