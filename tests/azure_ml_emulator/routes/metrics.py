"""Metrics: written in batches, listed and read by run, or read for many runs at once."""

from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.faults import FaultKind
from azure_ml_emulator.filters import parse
from azure_ml_emulator.routes.history import BY_ID, BY_NAME, page, run_fields
from azure_ml_emulator.service import SERVICE, WORKSPACE, service_fault
from azure_ml_emulator.state import Metric, Run

routes = web.RouteTableDef()
RUN = f"/metric/v2.0{WORKSPACE}/runs/{{run}}"
LARGEST_BATCH = 50


@routes.post(f"{RUN}/batch")
async def write(request: web.Request) -> web.Response:
    run, values = request.app[SERVICE].run(request), (await request.json())["values"]
    if len(values) > LARGEST_BATCH:
        raise ServiceError(400, "UserError", f"A batch holds at most {LARGEST_BATCH} metrics, not {len(values)}.")
    late = service_fault(request, FaultKind.LATE_METRICS)
    for metric in values:
        for value in metric["value"]:
            run.log(metric["name"], metric, value, late=late.seconds if late else 0.0)
    return web.json_response({"errors": []})


@routes.post(f"{RUN}/list")
async def names(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    run = service.run(request)
    found = [_definition(run, metric) for metric in run.metrics.values() if metric.visible()]
    return page(service, found, await request.json())


@routes.post(f"{RUN}/full")
async def read(request: web.Request) -> web.Response:
    run, body = request.app[SERVICE].run(request), await request.json()
    metric = run.metrics.get(body["metricName"])
    if metric is None or not metric.visible():
        raise ServiceError(404, "UserError", f"Run {run.id} has no metric {body['metricName']}.")
    content = {
        "dataContainerId": run.container,
        "name": metric.name,
        "columns": metric.columns,
        "properties": metric.properties,
        "value": metric.visible(),
        "continuationToken": None,
    }
    return web.json_response(content)


@routes.post(f"{BY_NAME}/metrics:query")
@routes.post(f"{BY_ID}/metrics:query")
async def query(request: web.Request) -> web.Response:
    """The values of many runs, ordered by run and time, one item a value."""
    service, body = request.app[SERVICE], await request.json()
    experiment, wanted = service.experiment(request), parse(body.get("filter"))
    values = [
        _old_form(run, metric, value)
        for run in sorted(service.state.runs.values(), key=lambda run: run.id)
        if run.experiment is experiment and not run.lost
        for metric in run.metrics.values()
        if wanted({**run_fields(run), "name": metric.name})
        for value in metric.visible()
    ]
    return page(service, values, body)


def _definition(run: Run, metric: Metric) -> dict[str, Any]:
    key = {"dataContainerId": run.container, "name": metric.name, "labels": None}
    return {"metricKey": key, "columns": metric.columns, "properties": metric.properties}


def _old_form(run: Run, metric: Metric, value: dict[str, Any]) -> dict[str, Any]:
    """A value as RunMetricDto, the first version's form, which alone is read for many runs at once."""
    columns = [{"propertyId": name, "name": name, "type": kind} for name, kind in metric.columns.items()]
    return {
        "runId": run.id,
        "metricId": value["metricId"],
        "metricType": metric.properties.get("uxMetricType") or "azureml.v1.scalar",
        "createdUtc": value["createdUtc"],
        "name": metric.name,
        "numCells": 1,
        "cells": [value["data"]],
        "schema": {"numProperties": len(columns), "properties": columns},
    }
