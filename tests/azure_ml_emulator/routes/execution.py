"""Submissions: a run from a snapshot, on a cluster."""

import asyncio
from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.faults import FaultKind, FaultRule
from azure_ml_emulator.nodes import Cluster
from azure_ml_emulator.routes.history import cancel_address
from azure_ml_emulator.service import SERVICE, WORKSPACE, Service, service_fault
from azure_ml_emulator.state import Run

routes = web.RouteTableDef()
HELD = (FaultKind.STUCK, FaultKind.UNREADY, FaultKind.OVERDUE)
KINDS = (FaultKind.LOST_RUN, *HELD, FaultKind.PREEMPTED, FaultKind.IMAGE_BUILD)


@routes.post(f"/execution/v1.0{WORKSPACE}/experiments/{{experiment}}/snapshotrun")
async def submit(request: web.Request) -> web.Response:
    """Start a run under the id that the client chose; an id that is known already starts nothing."""
    service, body = request.app[SERVICE], await request.json()
    run_id = request.query["runId"]
    known = service.state.runs.get(run_id)
    if known is not None and known.lost:
        del service.state.runs[run_id]
    elif known is not None and known.definition:
        return web.json_response({"runId": run_id})
    configuration = body["Configuration"]
    cluster = _cluster(service, configuration.get("target"))
    if body.get("SnapshotId") not in service.state.snapshots:
        raise ServiceError(404, "UserError", f"Snapshot {body.get('SnapshotId')} was not found.")
    run = service.state.add_run(run_id, service.state.add_experiment(request.match_info["experiment"]))
    run.definition, run.snapshot, run.parent = configuration, body["SnapshotId"], body.get("ParentRunId")
    run.fields["target"] = cluster.name
    run.fields["cancelUri"] = cancel_address(service, run)
    run.properties["azureml.runsource"] = "experiment"
    run.properties["ComputeTargetType"] = "amlcompute"
    rule = service_fault(request, *KINDS)
    if rule is not None:
        _meet(run, rule)
    cluster.submit(run)
    if rule is not None and rule.kind is FaultKind.LOST_RUN:
        asyncio.get_running_loop().call_later(rule.seconds, cluster.lose, run)
    return web.json_response({"runId": run_id})


def _cluster(service: Service, name: Any) -> Cluster:
    if name not in service.clusters:
        raise ServiceError(404, "UserError", f"Compute target {name} was not found in the workspace.")
    cluster = service.clusters[name]
    if cluster.provisioning != "Succeeded":
        raise ServiceError(400, "UserError", f"Compute target {name} is {cluster.provisioning}, not Succeeded.")
    return cluster


def _meet(run: Run, rule: FaultRule) -> None:
    run.stuck, run.unready, run.overdue = (rule.kind is kind for kind in HELD)
    run.image_fails = rule.kind is FaultKind.IMAGE_BUILD
    run.preempt_after = rule.seconds if rule.kind is FaultKind.PREEMPTED else None
