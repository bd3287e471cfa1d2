"""Microsoft Entra's endpoints for a service principal, and the one that gives an Azure machine its own tokens."""

import time

from aiohttp import web

from azure_ml_emulator.service import LOGIN, SERVICE

routes = web.RouteTableDef()


@routes.get("/{tenant}/v2.0/.well-known/openid-configuration")
async def openid_configuration(request: web.Request) -> web.Response:
    root = f"https://{LOGIN[0]}/{request.match_info['tenant']}"
    return web.json_response(
        {
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
    )


@routes.get("/common/discovery/instance")
async def instance_discovery(request: web.Request) -> web.Response:
    aliases = [{"preferred_network": LOGIN[0], "preferred_cache": LOGIN[0], "aliases": LOGIN}]
    endpoint = f"https://{LOGIN[0]}/common/v2.0/.well-known/openid-configuration"
    return web.json_response({"tenant_discovery_endpoint": endpoint, "metadata": aliases})


@routes.post("/{tenant}/oauth2/v2.0/token")
async def token(request: web.Request) -> web.Response:
    """A token for the asked scope, where tenant, client and password are right."""
    service, form = request.app[SERVICE], await request.post()
    settings = service.settings
    if request.match_info["tenant"] != settings.tenant:
        return _refusal(400, "invalid_request", "AADSTS90002: the tenant was not found.")
    if form.get("client_id") != settings.client:
        return _refusal(400, "unauthorized_client", "AADSTS700016: the application was not found in the directory.")
    if form.get("client_secret") != service.tokens.password:
        return _refusal(401, "invalid_client", "AADSTS7000215: an invalid client secret was provided.")
    audience = str(form.get("scope", "")).split(" ")[0].removesuffix(".default").rstrip("/")
    issued = service.tokens.issue(settings.client, audience, settings.token_seconds)
    seconds = int(settings.token_seconds)
    return web.json_response({"token_type": "Bearer", "expires_in": seconds, "access_token": issued})


@routes.get("/metadata/identity/oauth2/token")
async def token_of_the_machine(request: web.Request) -> web.Response:
    """A token of the managed identity: whoever reaches this endpoint is the machine, and shows no secret."""
    service, audience = request.app[SERVICE], request.query["resource"]
    if request.headers.get("Metadata") != "true":
        return _refusal(400, "invalid_request", "The required header Metadata is missing.")
    seconds = service.settings.token_seconds
    issued = service.tokens.issue("the machine", audience, seconds)
    fields = {"access_token": issued, "expires_in": f"{seconds:.0f}", "expires_on": f"{time.time() + seconds:.0f}"}
    return web.json_response({**fields, "resource": audience, "token_type": "Bearer"})


def _refusal(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)
