"""One run of the run history: its fields, children, events, files and end."""

from typing import Any

from aiohttp import web

from azure_ml_emulator.jobs import ARTIFACTS
from azure_ml_emulator.routes.history import BY_ID, BY_NAME, HISTORY, page, run_body
from azure_ml_emulator.service import SERVICE, WORKSPACE, Service
from azure_ml_emulator.state import Run, iso, now

routes = web.RouteTableDef()
ROOTS = (f"{BY_NAME}/runs/{{run}}", f"{BY_ID}/runs/{{run}}")
OWN = ("runId", "parentRunId", "status", "properties", "tags", "startTimeUtc", "endTimeUtc")
EVENTS = "Microsoft.MachineLearning.Run."


@routes.get(ROOTS[0])
@routes.get(ROOTS[1])
@routes.get(f"{HISTORY}/runs/{{run}}")
async def get_run(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    return web.json_response(run_body(service, service.run(request)))


@routes.patch(ROOTS[0])
@routes.patch(ROOTS[1])
async def patch_run(request: web.Request) -> web.Response:
    """Change the run, or make it where the id is new."""
    service, body = request.app[SERVICE], await request.json()
    if request.match_info["run"] in service.state.runs:
        run = service.run(request)
    else:
        run = service.state.add_run(request.match_info["run"], _experiment(request))
    _change(run, body)
    return web.json_response(run_body(service, run))


@routes.patch(f"{BY_NAME}/batch/runs")
async def patch_runs(request: web.Request) -> web.Response:
    service, changed = request.app[SERVICE], {}
    for body in (await request.json())["runs"]:
        service.state.add_run(body["runId"], _experiment(request))
        run = service.run_of(body["runId"], _experiment(request))
        _change(run, body)
        changed[run.id] = run_body(service, run)
    return web.json_response({"runs": changed, "errors": {}})


@routes.get(f"{ROOTS[0]}/details")
@routes.get(f"{ROOTS[1]}/details")
async def get_details(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    run = service.run(request)
    container = f"ExperimentRun/{run.container}"
    logs = sorted(path for path in service.state.artifacts.get(container, ()) if "logs/" in path)
    details = {
        "runId": run.id,
        "target": run.fields.get("target"),
        "status": run.status,
        "startTimeUtc": iso(run.started),
        "endTimeUtc": iso(run.ended),
        "error": run.error,
        "warnings": None,
        "properties": run.properties,
        "inputDatasets": [],
        "outputDatasets": [],
        "runDefinition": run.definition or None,
        "logFiles": {path: service.blobs.signed(ARTIFACTS, f"{container}/{path}", "r") for path in logs},
    }
    return web.json_response(details)


@routes.get(f"{ROOTS[0]}/children")
@routes.get(f"{ROOTS[1]}/children")
async def get_children(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    children = service.state.children(service.run(request).id)
    asked = {"continuationToken": request.query.get("continuationToken"), "top": request.query.get("$top")}
    return page(service, [run_body(service, run) for run in children], asked)


@routes.delete(f"{ROOTS[0]}/tags")
async def delete_tags(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    run = service.run(request)
    for name in await request.json():
        run.tags.pop(name, None)
    return web.json_response(run_body(service, run))


@routes.get(f"{ROOTS[0]}/token")
@routes.get(f"{ROOTS[1]}/token")
async def get_token(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    issued = service.tokens.issue(service.run(request).id, "run", service.settings.token_seconds)
    return web.json_response({"token": issued, "expiryTimeUtc": iso(service.expiry_time())})


@routes.get(f"{ROOTS[0]}/metricsingest/wait")
@routes.get(f"{ROOTS[1]}/metricsingest/wait")
async def wait_for_metrics(request: web.Request) -> web.Response:
    request.app[SERVICE].run(request)
    return web.json_response({})


@routes.post(f"{ROOTS[0]}/events")
@routes.post(f"{ROOTS[1]}/events")
async def post_event(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    _happen(service, service.run(request), await request.json())
    return web.json_response({})


@routes.post(f"{BY_NAME}/batch/events")
async def post_events(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    for event in (await request.json())["events"]:
        _happen(service, service.run_of(event["data"]["RunId"], service.experiment(request)), event)
    return web.json_response({"errors": []})


@routes.post(f"/execution/v1.0{WORKSPACE}/experiments/{{experiment}}/runId/{{run}}/cancel")
async def cancel(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    cancel_run(service, service.run(request))
    return web.json_response({})


def cancel_run(service: Service, run: Run) -> None:
    """Stop the run's job, or end a run that has none."""
    if run.is_finished():
        return
    if run.definition:
        for cluster in service.clusters.values():
            cluster.cancel(run)
    else:
        run.finish("Canceled")


def _experiment(request: web.Request) -> Any:
    service = request.app[SERVICE]
    if "experiment" in request.match_info:
        return service.state.add_experiment(request.match_info["experiment"])
    return service.experiment(request)


def _change(run: Run, body: dict[str, Any]) -> None:
    given = {name: value for name, value in body.items() if value is not None}
    run.parent = given.get("parentRunId", run.parent)
    run.status = given.get("status", run.status)
    run.properties.update(given.get("properties") or {})
    run.tags.update(given.get("tags") or {})
    run.fields.update({name: value for name, value in given.items() if name not in OWN})


def _happen(service: Service, run: Run, event: dict[str, Any]) -> None:
    """What a client says of its own run. A job's end is the node's to tell, when its process has ended."""
    name = event["name"].removeprefix(EVENTS)
    if name == "Start":
        run.status, run.started, run.ended, run.error = "Running", run.started or now(), None, None
    elif name == "Error":
        run.error = event["data"].get("ErrorResponse")
    elif name == "CancelRequested":
        cancel_run(service, run)
    elif name in ("Completed", "Failed", "Canceled") and not (run.definition and name == "Completed"):
        run.finish(name, run.error)
