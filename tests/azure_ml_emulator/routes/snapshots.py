"""Snapshots of source code: files go to the store, the service keeps which file of which blob."""

import uuid
from typing import Any

from aiohttp import web
from yarl import URL

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.jobs import SNAPSHOTS
from azure_ml_emulator.service import SERVICE, WORKSPACE

routes = web.RouteTableDef()
CONTENT = f"{WORKSPACE}/snapshots"
NOTHING = "00000000-0000-0000-0000-000000000000"


@routes.get(f"/content/v1.0{CONTENT}/latest/metadata")
async def latest(request: web.Request) -> web.Response:
    """Always none: every client starts with a whole snapshot."""
    return web.json_response({"id": NOTHING, "root": {}})


@routes.post(f"/content/v2.0{CONTENT}/getblob")
async def blobs_to_write(request: web.Request) -> web.Response:
    blobs, folder = request.app[SERVICE].blobs, uuid.uuid4()
    names = (await request.json())["FileNames"]
    nodes = [{"fullName": name, "blobUri": blobs.signed(SNAPSHOTS, f"{folder}/{name}", "rcw")} for name in names]
    return web.json_response({"fileNodes": nodes})


@routes.post(f"/content/v2.0{CONTENT}/{{snapshot}}")
async def create(request: web.Request) -> web.Response:
    """The parent's files and those sent, as far as the tree names them. Raises 400 where one of them is nowhere."""
    state, body = request.app[SERVICE].state, await request.json()
    parent = body.get("ParentSnapshotId")
    if parent not in (None, NOTHING) and parent not in state.snapshots:
        raise ServiceError(400, "UserError", f"The parent snapshot {parent} was not found.")
    files = dict(state.snapshots.get(parent, {}))
    for node in body["FileRevisionList"]["FileNodes"]:
        address = node["BlobUri"].partition("?")[0]
        files[node["FullName"]] = URL(address).path.removeprefix(f"/{SNAPSHOTS}/")
    named = _paths(body["DirTreeNode"])
    if missing := sorted(set(named) - set(files)):
        raise ServiceError(400, "UserError", f"The snapshot names files that were not sent: {', '.join(missing)}.")
    state.snapshots[request.match_info["snapshot"]] = {path: files[path] for path in named}
    return web.json_response({"id": request.match_info["snapshot"]})


def _paths(node: dict[str, Any], prefix: str = "") -> list[str]:
    """The files under a directory of the tree, with their folders."""
    paths: list[str] = []
    for name, child in (node.get("children") or {}).items():
        path = f"{prefix}{name}"
        paths += [path] if child["type"] == "File" else _paths(child, f"{path}/")
    return paths
