"""AmlCompute clusters: written through Resource Manager, read through the data plane."""

import asyncio
import re
from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError, error_body
from azure_ml_emulator.faults import FaultKind
from azure_ml_emulator.nodes import Cluster
from azure_ml_emulator.routes.operations import accepted, start_operation
from azure_ml_emulator.service import ANY_SLASHES, SERVICE, WORKSPACE, Service, service_fault
from azure_ml_emulator.state import CORES, iso, now

routes = web.RouteTableDef()
WRITTEN = ANY_SLASHES + WORKSPACE.lstrip("/") + "/computes/{compute}"
READ = f"/rp/workspaces{WORKSPACE}/computes"
OUT_OF_QUOTA = "ClusterMinNodesExceedCoreQuota"
DURATION = re.compile(r"^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$")


@routes.put(WRITTEN)
async def create(request: web.Request) -> web.Response:
    service, body, name = request.app[SERVICE], await request.json(), request.match_info["compute"]
    properties = body["properties"]
    if properties.get("computeType") != "AmlCompute":
        raise ServiceError(
            400, "BadRequest", f"The emulator makes AmlCompute alone, not {properties.get('computeType')}."
        )
    asked = dict(properties.get("properties") or {})
    if str(asked.get("vmSize")).upper() not in CORES:
        raise ServiceError(400, "BadRequest", f"The VM size {asked.get('vmSize')} is not supported in the region.")
    if name in service.settings.computes:
        raise ServiceError(409, "Conflict", f"The compute {name} is a {service.settings.computes[name]}.")
    if name in service.clusters:
        cluster = service.clusters[name]
        _scale(cluster, asked.get("scaleSettings") or {})
    else:
        cluster = _new_cluster(service, name, asked)
        cluster.tags = body.get("tags") or {}
        service.clusters[name] = cluster
    fails = service_fault(request, FaultKind.QUOTA) is not None or _min_cores(cluster) > service.settings.quota_cores
    return accepted(service, _provision(service, cluster, fails=fails), _body(service, cluster), status=201)


@routes.patch(WRITTEN)
async def scale(request: web.Request) -> web.Response:
    service, body = request.app[SERVICE], await request.json()
    cluster = _cluster(request)
    asked = (body.get("properties") or {}).get("properties") or body.get("properties") or {}
    settings = asked.get("scaleSettings") or {}
    _check_limits(cluster, settings)
    if (
        service_fault(request, FaultKind.QUOTA)
        or _nodes(settings, "minNodeCount", 0) * cluster.cores > service.quota.cores
    ):
        raise ServiceError(409, OUT_OF_QUOTA, _quota_words(cluster, service.quota.cores))
    _scale(cluster, settings)
    cluster.balance()
    return web.json_response(_body(service, cluster))


@routes.delete(WRITTEN)
async def delete(request: web.Request) -> web.Response:
    service, cluster = request.app[SERVICE], _cluster(request)
    cluster.provisioning = "Deleting"

    async def remove() -> None:
        await asyncio.sleep(service.settings.provision_seconds)
        await cluster.stop()
        service.clusters.pop(cluster.name, None)

    return accepted(service, start_operation(service, remove()), None, status=202)


@routes.post(f"{WRITTEN}/listNodes")
async def list_nodes(request: web.Request) -> web.Response:
    nodes = [
        {
            "nodeId": node.id,
            "nodeState": node.state,
            "port": 50000,
            "privateIpAddress": "10.0.0.4",
            "runId": node.run.id if node.run else None,
        }
        for node in _cluster(request).nodes
    ]
    return web.json_response({"nodes": nodes})


@routes.get(WRITTEN)
@routes.get(f"{READ}/{{compute}}")
async def read(request: web.Request) -> web.Response:
    return web.json_response(_body(request.app[SERVICE], _cluster(request)))


@routes.get(READ)
async def read_all(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    others = [_frame(service, name, kind) for name, kind in service.settings.computes.items()]
    return web.json_response({"value": [*(_body(service, cluster) for cluster in service.clusters.values()), *others]})


def _cluster(request: web.Request) -> Cluster:
    name = request.match_info["compute"]
    clusters = request.app[SERVICE].clusters
    if name not in clusters:
        raise ServiceError(404, "ResourceNotFound", f"The compute {name} was not found in the workspace.")
    return clusters[name]


def _new_cluster(service: Service, name: str, asked: dict[str, Any]) -> Cluster:
    known = {"vmSize", "vmPriority", "scaleSettings"}
    cluster = Cluster(
        name,
        asked["vmSize"],
        service.settings,
        service.runner,
        service.quota,
        priority=asked.get("vmPriority") or "Dedicated",
        extra={key: value for key, value in asked.items() if key not in known},
    )
    settings = asked.get("scaleSettings") or {}
    _check_limits(cluster, settings)
    _scale(cluster, settings)
    return cluster


def _check_limits(cluster: Cluster, settings: dict[str, Any]) -> None:
    least = _nodes(settings, "minNodeCount", cluster.minimum)
    most = _nodes(settings, "maxNodeCount", cluster.maximum)
    if not 0 <= least <= most:
        raise ServiceError(400, "BadRequest", f"minNodeCount {least} is not between 0 and maxNodeCount {most}.")


def _scale(cluster: Cluster, settings: dict[str, Any]) -> None:
    cluster.minimum = _nodes(settings, "minNodeCount", cluster.minimum)
    cluster.maximum = _nodes(settings, "maxNodeCount", cluster.maximum)
    if idle := settings.get("nodeIdleTimeBeforeScaleDown"):
        cluster.idle_seconds = _seconds(idle)


def _nodes(settings: dict[str, Any], key: str, default: int) -> int:
    return default if settings.get(key) is None else int(settings[key])


def _seconds(duration: str) -> float:
    """Of an ISO 8601 duration of hours, minutes and seconds."""
    match = DURATION.match(duration)
    if not match:
        raise ServiceError(400, "BadRequest", f"{duration} is no duration as PT120S.")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _min_cores(cluster: Cluster) -> int:
    return cluster.minimum * cluster.cores


def _quota_words(cluster: Cluster, cores: int) -> str:
    return f"The specified minimum of {cluster.cores} vCPU nodes exceeds the core quota of {cores} for this region."


def _provision(service: Service, cluster: Cluster, *, fails: bool) -> str:
    async def provision() -> None:
        await asyncio.sleep(service.settings.provision_seconds)
        if fails:
            cluster.provisioning = "Failed"
            error = error_body(OUT_OF_QUOTA, _quota_words(cluster, service.quota.cores))
            cluster.errors.append(error)
            raise ServiceError(409, OUT_OF_QUOTA, error["error"]["message"])
        cluster.provisioning = "Succeeded"
        cluster.balance()

    return start_operation(service, provision())


def _body(service: Service, cluster: Cluster) -> dict[str, Any]:
    body = _frame(service, cluster.name, "AmlCompute")
    counts = cluster.counts()
    steady = counts["preparing"] == 0 and cluster.target() == len(cluster.nodes)
    states = ("preparing", "running", "idle", "unusable", "leaving", "preempted")
    body["tags"] = cluster.tags
    body["properties"] |= {
        "provisioningState": cluster.provisioning,
        "provisioningErrors": cluster.errors or None,
        "createdOn": iso(cluster.created),
        "modifiedOn": iso(cluster.created),
        "properties": {
            "subnet": None,
            **cluster.extra,
            "vmSize": cluster.vm_size,
            "vmPriority": cluster.priority,
            "scaleSettings": {
                "minNodeCount": cluster.minimum,
                "maxNodeCount": cluster.maximum,
                "nodeIdleTimeBeforeScaleDown": f"PT{cluster.idle_seconds:g}S",
            },
            "currentNodeCount": len(cluster.nodes),
            "targetNodeCount": cluster.target(),
            "nodeStateCounts": {f"{state}NodeCount": counts[state] for state in states},
            "allocationState": "Steady" if steady else "Resizing",
            "allocationStateTransitionTime": iso(cluster.created),
            "errors": cluster.errors or None,
        },
    }
    return body


def _frame(service: Service, name: str, kind: str) -> dict[str, Any]:
    """What a compute target of any kind shows."""
    return {
        "id": f"{service.settings.scope}/computes/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": service.settings.location,
        "tags": {},
        "properties": {
            "computeType": kind,
            "computeLocation": service.settings.location,
            "description": None,
            "resourceId": None,
            "provisioningState": "Succeeded",
            "provisioningErrors": None,
            "isAttachedCompute": False,
            "createdOn": iso(now()),
            "modifiedOn": iso(now()),
            "properties": {},
        },
    }
