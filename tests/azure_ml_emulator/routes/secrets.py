"""The workspace's key vault, as the credential service shows it: what is deleted keeps its name taken."""

import re
from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.service import SERVICE, WORKSPACE
from azure_ml_emulator.state import State

routes = web.RouteTableDef()
SECRETS = f"/credential/v2.0{WORKSPACE}/secrets"


@routes.put(SECRETS)
async def set_secret(request: web.Request) -> web.Response:
    body = await request.json()
    _set(request.app[SERVICE].state, body["name"], body["value"])
    return web.json_response(_named(body["name"]))


@routes.put(f"{SECRETS}:putbatch")
async def set_secrets(request: web.Request) -> web.Response:
    body = await request.json()
    for secret in body["secrets"]:
        _set(request.app[SERVICE].state, secret["name"], secret["value"])
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
    name, state = request.match_info["name"], request.app[SERVICE].state
    if state.secrets.pop(name, None) is None:
        raise ServiceError(404, "UserError", f"Secret {name} was not found in the key vault.")
    state.deleted_secrets.add(name.lower())
    return web.json_response({})


def _set(state: State, name: str, value: str) -> None:
    """Raises ServiceError where the key vault does not take the name."""
    if not re.fullmatch("[0-9A-Za-z-]{1,127}", name):
        raise ServiceError(400, "BadParameter", f"The request URI contains an invalid name: {name}.")
    if name.lower() in state.deleted_secrets:
        words = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
        raise ServiceError(409, "ObjectIsDeletedButRecoverable", words)
    state.secrets[name] = value


def _named(name: str, value: str | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "contentType": "NotProvided"}
