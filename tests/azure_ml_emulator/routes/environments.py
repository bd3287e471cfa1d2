"""Environments: registered versions, and the images that are built of them."""

import asyncio
from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.faults import FaultKind
from azure_ml_emulator.service import SERVICE, WORKSPACE, service_fault

routes = web.RouteTableDef()
LIST = f"/environment/v1.0{WORKSPACE}/environments"
NAME = f"{LIST}/{{name}}"
VERSION = f"{NAME}/versions/{{version}}"
BUILD = f"/environment/v2.0{WORKSPACE}/environments/{{name}}/versions/{{version}}/image"
OPERATION = f"/environment/v2.0{WORKSPACE}/imagebuilds/{{name}}/{{version}}"


@routes.put(NAME)
@routes.put(VERSION)
async def register(request: web.Request) -> web.Response:
    """A new version, or the version that was asked for; the same definition twice is one version."""
    name, body = request.match_info["name"], await request.json()
    versions = request.app[SERVICE].state.environments.setdefault(name, [])
    definition = {key[:1].lower() + key[1:]: value for key, value in body.items()}
    same = next((known for known in versions if {**known, "version": None} == {**definition, "version": None}), None)
    if same is not None and request.match_info.get("version") in (None, same["version"]):
        return web.json_response(same)
    version = request.match_info.get("version") or str(len(versions) + 1)
    versions[:] = [known for known in versions if known["version"] != version]
    versions.append({**definition, "version": version})
    return web.json_response(versions[-1])


@routes.get(LIST)
@routes.get(f"{LIST}/")
async def list_all(request: web.Request) -> web.Response:
    newest = [versions[-1] for versions in request.app[SERVICE].state.environments.values()]
    return web.json_response({"value": newest, "continuationToken": None})


@routes.get(NAME)
@routes.get(VERSION)
async def get(request: web.Request) -> web.Response:
    return web.json_response(_definition(request))


@routes.get(f"{VERSION}/image")
async def image(request: web.Request) -> web.Response:
    service, definition = request.app[SERVICE], _definition(request)
    built = service.state.images.get(f"{definition['name']}:{definition['version']}") == "Succeeded"
    registry = {"address": f"{service.settings.workspace}.azurecr.io", "username": None, "password": None}
    details = {
        "imageExistsInRegistry": built,
        "dockerImage": {"name": f"azureml/{definition['name']}", "registry": registry},
    }
    return web.json_response({**details, "pythonEnvironment": None, "ingredients": {}})


@routes.post(BUILD)
async def build(request: web.Request) -> web.Response:
    """Start the image's build unless it is built; the answer names where its state is read."""
    service, definition = request.app[SERVICE], _definition(request)
    key, images = f"{definition['name']}:{definition['version']}", service.state.images
    if images.get(key) not in ("Running", "Succeeded"):
        images[key] = "Running"
        end = "Failed" if service_fault(request, FaultKind.IMAGE_BUILD) else "Succeeded"

        async def finish() -> None:
            await asyncio.sleep(service.settings.image_build_seconds)
            images[key] = end

        service.background(finish())
    path = f"{service.settings.scope}/imagebuilds/{definition['name']}/{definition['version']}"
    location = f"{service.data_plane}/environment/v2.0{path}"
    return web.json_response({"status": images[key], "location": location}, status=202, headers={"Location": location})


@routes.get(OPERATION)
async def build_status(request: web.Request) -> web.Response:
    key = f"{request.match_info['name']}:{request.match_info['version']}"
    state = request.app[SERVICE].state.images[key]
    return web.json_response({"status": state, "logUrl": None}, status=202 if state == "Running" else 200)


def _definition(request: web.Request) -> dict[str, Any]:
    """The version that the path names, or the newest. Raises 404."""
    name, version = request.match_info["name"], request.match_info.get("version")
    versions = request.app[SERVICE].state.environments.get(name, [])
    found = [known for known in versions if version in (None, known["version"])]
    if not found:
        raise ServiceError(404, "UserError", f"Environment {name} {version or ''} was not found.")
    return found[-1]
