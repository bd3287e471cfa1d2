"""The model registry: assets (which files) and models (which version, with its tags)."""

import uuid
from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.service import SERVICE, WORKSPACE
from azure_ml_emulator.state import iso, now

routes = web.RouteTableDef()
ASSETS = f"/modelmanagement/v1.0{WORKSPACE}/assets"
MODELS = f"/modelmanagement/v1.0{WORKSPACE}/models"


@routes.post(ASSETS)
async def create_asset(request: web.Request) -> web.Response:
    asset = {**await request.json(), "id": uuid.uuid4().hex, "createdTime": iso(now())}
    request.app[SERVICE].state.assets[asset["id"]] = asset
    return web.json_response(asset)


@routes.get(ASSETS)
async def list_assets(request: web.Request) -> web.Response:
    run, name = request.query.get("runId"), request.query.get("name")
    assets = request.app[SERVICE].state.assets.values()
    found = [a for a in assets if run in (None, a.get("runid")) and name in (None, a.get("name"))]
    return web.json_response({"value": found})


@routes.get(f"{ASSETS}/{{id}}")
async def get_asset(request: web.Request) -> web.Response:
    return web.json_response(_found(request.app[SERVICE].state.assets, request))


@routes.post(MODELS)
async def register(request: web.Request) -> web.Response:
    """The next version of the name."""
    models, body = request.app[SERVICE].state.models, await request.json()
    version = 1 + max((known["version"] for known in models.values() if known["name"] == body["name"]), default=0)
    created = iso(now())
    own = {"id": f"{body['name']}:{version}", "version": version, "createdTime": created, "modifiedTime": created}
    model = {"kvTags": {}, "properties": {}, **{key: value for key, value in body.items() if value is not None}, **own}
    models[model["id"]] = model
    return web.json_response(model)


@routes.get(MODELS)
async def list_models(request: web.Request) -> web.Response:
    """Newest first, by name, run, tags and properties; a tag without a value asks that it is there."""
    service, query = request.app[SERVICE], request.query
    models = sorted(service.state.models.values(), key=lambda model: (model["createdTime"], model["version"]))[::-1]
    models = [model for model in models if _wanted(model, query)]
    if query.get("latestVersionOnly", query.get("latest", "")).lower() == "true":
        newest = {model["name"]: model for model in sorted(models, key=lambda model: model["version"])}
        models = [model for model in models if newest[model["name"]] is model]
    first = int(query.get("$skipToken") or 0)
    last = first + int(query.get("count") or service.settings.page_size)
    link = f"{service.data_plane}{request.path}?$skipToken={last}" if last < len(models) else None
    return web.json_response({"value": models[first:last], "nextLink": link})


@routes.get(f"{MODELS}/{{id}}")
async def get_model(request: web.Request) -> web.Response:
    return web.json_response(_found(request.app[SERVICE].state.models, request))


@routes.patch(f"{MODELS}/{{id}}")
async def patch_model(request: web.Request) -> web.Response:
    """A JSON patch of the tags, properties and description."""
    model = _found(request.app[SERVICE].state.models, request)
    for step in await request.json():
        *parents, name = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].strip("/").split("/")]
        holder = model
        for parent in parents:
            holder = holder.setdefault(parent, {})
        if step["op"] == "remove":
            holder.pop(name, None)
        else:
            holder[name] = step["value"]
    model["modifiedTime"] = iso(now())
    return web.json_response(model)


@routes.delete(f"{MODELS}/{{id}}")
async def delete_model(request: web.Request) -> web.Response:
    _found(request.app[SERVICE].state.models, request)
    del request.app[SERVICE].state.models[request.match_info["id"]]
    return web.json_response({})


def _wanted(model: dict[str, Any], query: Any) -> bool:
    return (
        query.get("name") in (None, model["name"])
        and query.get("runId") in (None, model.get("runId"))
        and _has(model["kvTags"], query.get("tags"))
        and _has(model["properties"], query.get("properties"))
    )


def _has(held: dict[str, str], asked: str | None) -> bool:
    """Whether every `name` or `name=value` of a comma-separated list is held."""
    for item in (asked or "").split(","):
        name, equals, value = item.partition("=")
        if name and (name not in held or (equals and str(held[name]) != value)):
            return False
    return True


def _found(held: dict[str, dict[str, Any]], request: web.Request) -> dict[str, Any]:
    if request.match_info["id"] not in held:
        raise ServiceError(404, "NotFound", f"{request.match_info['id']} was not found in the workspace.")
    return held[request.match_info["id"]]
