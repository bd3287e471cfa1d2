"""The HTTPS server: every service's routes behind one record, one set of faults and one check of tokens."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from azure_ml_emulator.errors import ServiceError, error_body
from azure_ml_emulator.faults import FaultKind
from azure_ml_emulator.record import Request
from azure_ml_emulator.routes import (
    arm,
    artifacts,
    computes,
    environments,
    execution,
    history,
    metrics,
    models,
    operations,
    resources,
    runs,
    secrets,
    sign_in,
    snapshots,
    workspace,
)
from azure_ml_emulator.service import FAULT, SERVICE, Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BLOB_HOSTS = "*.blob.core.windows.net"
OPEN_TO_ALL = re.compile(r"^/+(metadata/|discovery|common/|[^/]+/v2\.0/|[^/]+/oauth2/)")
LARGEST_BODY = 64 << 20
SERVICES = (
    arm,
    artifacts,
    computes,
    environments,
    execution,
    history,
    metrics,
    models,
    operations,
    runs,
    secrets,
    sign_in,
    snapshots,
    workspace,
    resources,  # last: its routes match any resource
)


@dataclass(frozen=True)
class Answer:
    """The answer that stands for a fault."""

    status: int
    code: str
    message: str


ANSWERS = {
    FaultKind.THROTTLED: Answer(429, "TooManyRequests", "The request was throttled; try again later."),
    FaultKind.ERROR: Answer(500, "InternalServerError", "An internal error occurred."),
    FaultKind.UNAVAILABLE: Answer(503, "ServiceUnavailable", "The service is temporarily unavailable."),
    FaultKind.EXPIRED: Answer(401, "ExpiredAuthenticationToken", "The access token has expired."),
    FaultKind.FORBIDDEN: Answer(
        403,
        "AuthorizationFailed",
        "The client does not have authorization to perform the action over the scope, or the scope is invalid.",
    ),
}
EXPIRED_SAS = Answer(403, "AuthenticationFailed", "Server failed to authenticate the request.")
"""At a blob, whose address carries its own right."""


def application(service: Service) -> web.Application:
    app = web.Application(
        middlewares=[record_requests, answer_errors, meet_faults, check_tokens], client_max_size=LARGEST_BODY
    )
    app[SERVICE] = service
    if service.settings.furnished:
        resources.furnish(service)
    for module in SERVICES:
        app.add_routes(module.routes)
    blobs = web.Application(client_max_size=LARGEST_BODY)

    async def forward(request: web.Request) -> web.StreamResponse:
        return await service.blobs.forward(request, at_once=request.get(FAULT) is None)

    blobs.router.add_route("*", "/{path:.*}", forward)
    app.add_domain(BLOB_HOSTS, blobs)
    return app


async def listen(app: web.Application, context: ssl.SSLContext) -> tuple[web.AppRunner, int]:
    """Start on a free port of the loopback interface; returns what stops it, and the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    return runner, runner.addresses[0][1]


@web.middleware
async def record_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    record = request.app[SERVICE].record
    arrived, status = record.now(), 0
    try:
        response = await handler(request)
        if request.transport is not None and not request.transport.is_closing():
            status = response.status
        return response
    finally:
        rule = request.get(FAULT)
        kind = rule.kind.value if rule else None
        seconds = record.now() - arrived
        record.add(Request(arrived, request.method, request.host, request.path, status, seconds, kind))


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ServiceError as error:
        return web.json_response(error.body(request.path), status=error.status)
    except web.HTTPException as error:
        if error.status not in (404, 405):
            raise
        words = f"The emulator has no route for {request.method} {request.host}{request.path}."
        return web.json_response(error_body("NotEmulated", words), status=501)


@web.middleware
async def meet_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    service = request.app[SERVICE]
    rule = service.faults.meet(request.method, request.path)
    if rule is not None:
        request[FAULT] = rule
    if rule is None or not rule.kind.is_answer():
        return await handler(request)
    answer = await _outcome(request, handler) if rule.applied or rule.kind is FaultKind.SLOW else None
    if rule.kind is FaultKind.SLOW and answer is not None:
        await asyncio.sleep(rule.seconds)
        return answer
    if rule.kind is FaultKind.HANG:
        await asyncio.Event().wait()
    if rule.kind is FaultKind.RESET:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if rule.kind is FaultKind.EXPIRED:
        service.tokens.revoke(request.headers.get("Authorization"))
        if request.host == service.blobs.host:
            return _response(EXPIRED_SAS, {"x-ms-error-code": EXPIRED_SAS.code})
    return _response(
        ANSWERS[rule.kind], {"Retry-After": f"{rule.seconds:g}"} if rule.kind is FaultKind.THROTTLED else None
    )


def _response(answer: Answer, headers: dict[str, str] | None) -> web.Response:
    return web.json_response(error_body(answer.code, answer.message), status=answer.status, headers=headers)


async def _outcome(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, also where it is an error, so that a fault can follow it."""
    return await answer_errors(request, handler)


@web.middleware
async def check_tokens(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A valid token for every service, and the one workspace that there is. A blob's address carries its own right."""
    service = request.app[SERVICE]
    if request.host == service.blobs.host:
        return await handler(request)
    if not OPEN_TO_ALL.match(request.path):
        service.tokens.check(request.headers.get("Authorization"))
    asked = request.match_info.get("workspace")
    there = service.settings.scope.lower() in service.state.resources
    if asked is not None and not (there and asked == service.settings.workspace):
        group = request.match_info.get("group")
        resource = f"The Resource 'Microsoft.MachineLearningServices/workspaces/{asked}'"
        raise ServiceError(404, "ResourceNotFound", f"{resource} under resource group '{group}' was not found.")
    return await handler(request)
