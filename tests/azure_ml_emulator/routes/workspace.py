"""The workspace's own services: discovery of the others, and datastores."""

from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.service import SERVICE, WORKSPACE, Service

routes = web.RouteTableDef()
DATASTORES = f"/datastore/v1.0{WORKSPACE}/datastores"
DEFAULT = f"/datastore/v1.0{WORKSPACE}/default"
SERVICES = ("api", "experimentation", "history", "hyperdrive", "modelmanagement", "pipelines")
PORTAL = "https://ml.azure.com"


@routes.get("/discovery")
@routes.get("/discovery/{rest:.*}")
async def discovery(request: web.Request) -> web.Response:
    return web.json_response({**dict.fromkeys(SERVICES, request.app[SERVICE].data_plane), "studio": PORTAL})


@routes.get(DATASTORES)
async def list_datastores(request: web.Request) -> web.Response:
    return web.json_response({"value": list(_datastores(request.app[SERVICE]).values())})


@routes.post(DATASTORES)
async def create_datastore(request: web.Request) -> web.Response:
    service, body = request.app[SERVICE], await request.json()
    if body["name"] in _datastores(service):
        raise ServiceError(400, "UserError", "Another datastore with the same name already exists")
    service.state.datastores[body["name"]] = _as_given_back(body)
    return web.json_response({})


@routes.get(f"{DATASTORES}/{{name}}")
async def get_datastore(request: web.Request) -> web.Response:
    return web.json_response(_datastore(request))


@routes.put(f"{DATASTORES}/{{name}}")
async def update_datastore(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    service.state.datastores[request.match_info["name"]] = _as_given_back(await request.json())
    return web.json_response({})


@routes.delete(f"{DATASTORES}/{{name}}")
async def delete_datastore(request: web.Request) -> web.Response:
    _datastore(request)
    request.app[SERVICE].state.datastores.pop(request.match_info["name"], None)
    return web.json_response({})


@routes.get(DEFAULT)
async def get_default(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    return web.json_response(_datastores(service)[service.state.default_datastore])


@routes.put(f"{DEFAULT}/{{name}}")
async def set_default(request: web.Request) -> web.Response:
    _datastore(request)
    request.app[SERVICE].state.default_datastore = request.match_info["name"]
    return web.json_response({})


def _datastore(request: web.Request) -> dict[str, Any]:
    name = request.match_info["name"]
    datastores = _datastores(request.app[SERVICE])
    if name not in datastores:
        raise ServiceError(404, "UserError", f"Could not find datastore {name}.")
    return datastores[name]


def _datastores(service: Service) -> dict[str, dict[str, Any]]:
    """The registered ones, and the one that every workspace starts with."""
    account = service.blobs.account
    section = {
        "accountName": account.name,
        "containerName": service.default_container,
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentialType": "AccountKey",
        "credential": account.key,
        "accountKey": account.key,
    }
    default = {"name": "workspaceblobstore", "dataStoreType": "AzureBlob", "azureStorageSection": section}
    return {"workspaceblobstore": default, **service.state.datastores}


def _as_given_back(body: dict[str, Any]) -> dict[str, Any]:
    """The service fills in the cloud's endpoint, and names the credential by its type."""
    section = dict(body.get("azureStorageSection") or {})
    if section:
        section["endpoint"] = section.get("endpoint") or "core.windows.net"
        kind = "sasToken" if str(section.get("credentialType")).lower() == "sas" else "accountKey"
        section[kind] = section.get("credential")
    return {**body, "azureStorageSection": section or None}
