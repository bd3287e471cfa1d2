"""The run history: experiments, and runs as its queries return them."""

from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.filters import parse
from azure_ml_emulator.service import SERVICE, WORKSPACE, Service
from azure_ml_emulator.state import Experiment, Run, iso

routes = web.RouteTableDef()
HISTORY = f"/history/v1.0{WORKSPACE}"
BY_NAME = f"{HISTORY}/experiments/{{experiment}}"
BY_ID = f"{HISTORY}/experimentids/{{experiment_id}}"


@routes.get(BY_NAME)
@routes.get(BY_ID)
async def get_experiment(request: web.Request) -> web.Response:
    return web.json_response(_experiment_body(request.app[SERVICE].experiment(request)))


@routes.post(BY_NAME)
async def create_experiment(request: web.Request) -> web.Response:
    experiment = request.app[SERVICE].state.add_experiment(request.match_info["experiment"])
    return web.json_response(_experiment_body(experiment))


@routes.post(f"{HISTORY}/experiments:query")
async def query_experiments(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    return page(service, [_experiment_body(e) for e in service.state.experiments.values()], await _body(request))


@routes.patch(BY_ID)
async def update_experiment(request: web.Request) -> web.Response:
    experiment = request.app[SERVICE].experiment(request)
    experiment.tags.update((await _body(request)).get("tags") or {})
    return web.json_response(_experiment_body(experiment))


@routes.post(f"{BY_NAME}/runs:query")
@routes.post(f"{BY_ID}/runs:query")
async def query_runs(request: web.Request) -> web.Response:
    service, body = request.app[SERVICE], await _body(request)
    experiment, wanted = service.experiment(request), parse(body.get("filter"))
    runs = [run for run in service.state.runs.values() if run.experiment is experiment and not run.lost]
    runs = [run for run in runs if wanted(run_fields(run))]
    return page(service, [run_body(service, run) for run in _ordered(runs, body.get("orderby"))], body)


def page(service: Service, items: list[Any], asked: dict[str, Any]) -> web.Response:
    """The items after `continuationToken`, at most `top` or a page of them."""
    first = int(asked.get("continuationToken") or 0)
    last = first + min(int(asked.get("top") or service.settings.page_size), service.settings.page_size)
    token = str(last) if last < len(items) else None
    return web.json_response({"value": items[first:last], "continuationToken": token, "nextLink": None})


def run_body(service: Service, run: Run) -> dict[str, Any]:
    """The run as RunDto has it."""
    return {
        **run.fields,
        "runId": run.id,
        "runNumber": run.number,
        "rootRunId": _root(service, run).id,
        "parentRunId": run.parent,
        "experimentId": run.experiment.id,
        "dataContainerId": run.container,
        "status": run.status,
        "createdUtc": iso(run.created),
        "startTimeUtc": iso(run.started),
        "endTimeUtc": iso(run.ended),
        "properties": run.properties,
        "tags": run.tags,
        "error": run.error,
        "warnings": None,
        "runType": "azureml.scriptrun" if run.definition else run.fields.get("runType"),
    }


def run_fields(run: Run) -> dict[str, Any]:
    """What a query's filter may name, in lower case."""
    return {
        "runid": run.id,
        "parentrunid": run.parent,
        "rootrunid": run.parent or run.id,
        "status": run.status,
        "target": run.fields.get("target"),
        "createdutc": run.created.isoformat(),
        "runtype": "azureml.scriptrun" if run.definition else run.fields.get("runType"),
        **{f"tags/{name.lower()}": value for name, value in run.tags.items()},
        **{f"properties/{name.lower()}": value for name, value in run.properties.items()},
    }


def cancel_address(service: Service, run: Run) -> str:
    path = f"{service.settings.scope}/experiments/{run.experiment.name}/runId/{run.id}/cancel"
    return f"{service.data_plane}/execution/v1.0{path}"


def _root(service: Service, run: Run) -> Run:
    while run.parent is not None and run.parent in service.state.runs:
        run = service.state.runs[run.parent]
    return run


def _ordered(runs: list[Run], order: str | None) -> list[Run]:
    name, _, direction = (order or "CreatedUtc desc").partition(" ")
    keys = {
        "createdutc": lambda run: run.created.isoformat(),
        "starttimeutc": lambda run: (run.started or run.created).isoformat(),
        "runid": lambda run: run.id,
    }
    if name.lower() not in keys:
        raise ServiceError(400, "UserError", f"Runs cannot be ordered by {name}.")
    return sorted(runs, key=keys[name.lower()], reverse=direction.lower() == "desc")


def _experiment_body(experiment: Experiment) -> dict[str, Any]:
    created = iso(experiment.created)
    return {"experimentId": experiment.id, "name": experiment.name, "createdUtc": created, "tags": experiment.tags}


async def _body(request: web.Request) -> dict[str, Any]:
    return (await request.json() if request.can_read_body else None) or {}
