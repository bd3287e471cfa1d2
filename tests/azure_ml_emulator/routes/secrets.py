"""The workspace's key vault, as the credential service shows it."""

from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.service import SERVICE, WORKSPACE

routes = web.RouteTableDef()
SECRETS = f"/credential/v2.0{WORKSPACE}/secrets"


@routes.put(SECRETS)
async def set_secret(request: web.Request) -> web.Response:
    body = await request.json()
    request.app[SERVICE].state.secrets[body["name"]] = body["value"]
    return web.json_response(_named(body["name"]))


@routes.put(f"{SECRETS}:putbatch")
async def set_secrets(request: web.Request) -> web.Response:
    body = await request.json()
    request.app[SERVICE].state.secrets.update({secret["name"]: secret["value"] for secret in body["secrets"]})
    return web.json_response({"secrets": [_named(secret["name"]) for secret in body["secrets"]]})


@routes.get(SECRETS)
async def list_secrets(request: web.Request) -> web.Response:
    return web.json_response({"value": [_named(name) for name in request.app[SERVICE].state.secrets]})


@routes.get(f"{SECRETS}/{{name}}")
async def get_secret(request: web.Request) -> web.Response:
    name, secrets = request.match_info["name"], request.app[SERVICE].state.secrets
    if name not in secrets:
        raise ServiceError(404, "UserError", f"Secret {name} was not found in the key vault.")
    return web.json_response(_named(name, secrets[name]))


@routes.post(f"{SECRETS}:getbatch")
async def get_secrets(request: web.Request) -> web.Response:
    secrets = request.app[SERVICE].state.secrets
    names = [secret["name"] for secret in (await request.json())["secrets"]]
    found = [_named(name, secrets[name]) for name in names if name in secrets]
    return web.json_response({"secrets": found, "notFoundSecrets": [name for name in names if name not in secrets]})


@routes.delete(f"{SECRETS}/{{name}}")
async def delete_secret(request: web.Request) -> web.Response:
    name, secrets = request.match_info["name"], request.app[SERVICE].state.secrets
    if secrets.pop(name, None) is None:
        raise ServiceError(404, "UserError", f"Secret {name} was not found in the key vault.")
    return web.json_response({})


def _named(name: str, value: str | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "contentType": "NotProvided"}
