"""Artifacts: the files of runs and models, by origin, container and path. Their content lies in the store."""

from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.jobs import ARTIFACTS
from azure_ml_emulator.routes.history import BY_ID, BY_NAME, page
from azure_ml_emulator.service import SERVICE, WORKSPACE, Service

routes = web.RouteTableDef()
ROOT = f"/artifact/v2.0{WORKSPACE}/artifacts"
PLACE = "{origin}/{container}"


@routes.post(f"{ROOT}/batch/metadata/{PLACE}")
async def create(request: web.Request) -> web.Response:
    """Empty artifacts, with the addresses that the client writes their content to."""
    service, folder = request.app[SERVICE], _folder(request)
    paths = [artifact["path"] for artifact in (await request.json())["paths"]]
    service.state.artifacts.setdefault(folder, set()).update(paths)
    body = {
        "artifacts": {path: _artifact(folder, path) for path in paths},
        "artifactContentInformation": {path: _content(service, folder, path, "rcw") for path in paths},
        "errors": {},
    }
    return web.json_response(body)


@routes.get(f"{ROOT}/contentinfo/{PLACE}/{{path:.+}}")
async def content(request: web.Request) -> web.Response:
    return _content_response(request, _folder(request))


@routes.get(f"{ROOT}/write/{PLACE}/{{path:.+}}")
async def content_to_write(request: web.Request) -> web.Response:
    service, folder, path = request.app[SERVICE], _folder(request), request.match_info["path"]
    service.state.artifacts.setdefault(folder, set()).add(path)
    return web.json_response(_content(service, folder, path, "rcw"))


@routes.get(f"{ROOT}/prefix/contentinfo/{PLACE}/{{path:.*}}")
async def contents(request: web.Request) -> web.Response:
    service, folder = request.app[SERVICE], _folder(request)
    prefix = request.match_info["path"].rstrip("/")
    paths = [path for path in _paths(service, folder) if not prefix or f"{path}/".startswith(f"{prefix}/")]
    return page(service, [_content(service, folder, path, "r") for path in paths], {})


@routes.get(f"{ROOT}/{PLACE}")
async def list_all(request: web.Request) -> web.Response:
    service, folder = request.app[SERVICE], _folder(request)
    return page(service, [_artifact(folder, path) for path in _paths(service, folder)], _asked(request))


@routes.get(f"{BY_NAME}/runs/{{run}}/artifacts")
@routes.get(f"{BY_ID}/runs/{{run}}/artifacts")
async def list_of_run(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    folder = f"ExperimentRun/{service.run(request).container}"
    return page(service, [_artifact(folder, path) for path in _paths(service, folder)], _asked(request))


@routes.get(f"{BY_NAME}/runs/{{run}}/artifacts/contentinfo")
@routes.get(f"{BY_NAME}/runs/{{run}}/artifacts/contentinfo/{{path:.+}}")
async def content_of_run(request: web.Request) -> web.Response:
    return _content_response(request, f"ExperimentRun/{request.app[SERVICE].run(request).container}")


def _content_response(request: web.Request, folder: str) -> web.Response:
    service = request.app[SERVICE]
    path = request.match_info.get("path") or request.query["path"]
    if path not in _paths(service, folder):
        raise ServiceError(404, "UserError", f"Artifact {folder}/{path} was not found.")
    return web.json_response(_content(service, folder, path, "r"))


def _folder(request: web.Request) -> str:
    return f"{request.match_info['origin']}/{request.match_info['container']}"


def _paths(service: Service, folder: str) -> list[str]:
    return sorted(service.state.artifacts.get(folder, ()))


def _asked(request: web.Request) -> dict[str, Any]:
    return {"continuationToken": request.query.get("continuationToken")}


def _artifact(folder: str, path: str) -> dict[str, Any]:
    origin, container = folder.split("/", 1)
    return {"artifactId": f"{folder}/{path}", "origin": origin, "container": container, "path": path}


def _content(service: Service, folder: str, path: str, permissions: str) -> dict[str, Any]:
    address = service.blobs.signed(ARTIFACTS, f"{folder}/{path}", permissions)
    return {**_artifact(folder, path), "contentUri": address}
