"""Long-running operations of Resource Manager: started by one answer, followed by asking again."""

import uuid
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.service import ANY_SLASHES, ARM, SERVICE, Service

routes = web.RouteTableDef()
OPERATIONS = f"{ANY_SLASHES}subscriptions/{{subscription}}/providers/Microsoft.MachineLearningServices/operations"


@routes.get(f"{OPERATIONS}/{{operation}}")
async def operation_status(request: web.Request) -> web.Response:
    """Clients ask again at once, where a real service would have them wait for half a minute."""
    found = request.app[SERVICE].state.operations[request.match_info["operation"]]
    return web.json_response(found, headers={"Retry-After": "0"})


def start_operation(service: Service, work: Coroutine[Any, Any, None]) -> str:
    """Start a long-running operation; its id answers how far it is."""
    operation = str(uuid.uuid4())
    service.state.operations[operation] = {"id": operation, "status": "InProgress"}

    async def follow() -> None:
        try:
            await work
            service.state.operations[operation] = {"id": operation, "status": "Succeeded"}
        except ServiceError as error:
            service.state.operations[operation] = {"id": operation, "status": "Failed", **error.body()}

    service.background(follow())
    return operation


def accepted(service: Service, operation: str, body: dict[str, Any] | None, *, status: int) -> web.Response:
    """The answer that names the operation. `Retry-After` is what clients wait before they ask again."""
    provider = f"/subscriptions/{service.settings.subscription}/providers/Microsoft.MachineLearningServices"
    headers = {"Azure-AsyncOperation": f"{ARM}{provider}/operations/{operation}", "Retry-After": "0"}
    return web.json_response(body or {}, status=status, headers=headers)
