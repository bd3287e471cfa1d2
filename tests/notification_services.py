"""Slack, Microsoft Teams and SendGrid on this machine, at their own addresses: what a block really sends is kept.

A block's library fixes the host, or its form, so that a proxy answers for it, with a certificate of its own authority.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from azure_ml_emulator.certificates import write_authority
from http_server import http_server

SLACK = "https://hooks.slack.com/services/T00000000/B00000000/aSecretOfSlack0000000000"
TEAMS = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/0123456789abcdef0123456789abcdef"
    "/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=aSecretOfTeams00000"
)
SENDGRID_KEY = "SG.aSecretOfSendgrid00000.more"
HOSTS = ["hooks.slack.com", "prod-1.westeurope.logic.azure.com", "api.sendgrid.com"]


@dataclass
class NotificationServices:
    """What arrived at each host, and the status with which they answer."""

    environment: dict[str, str]
    """Variables that lead the blocks here."""
    status: int = 200
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Host and path, and the JSON that was sent there."""


@contextmanager
def notification_services(folder: Path) -> Iterator[NotificationServices]:
    """The services, until the end of the block."""
    bundle, context = write_authority(folder, HOSTS)
    services = NotificationServices({"REQUESTS_CA_BUNDLE": str(bundle), "NO_PROXY": "127.0.0.1,localhost"})

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            """Be the host that is asked for."""
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.close_connection = False

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            services.received.append((f"{self.headers['Host']}{self.path}", content))
            self.send_response(services.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def log_message(self, *_: object) -> None:
            """Nothing: the tests' output is for pytest."""

    with http_server(Handler) as server:
        services.environment["HTTPS_PROXY"] = f"http://127.0.0.1:{server.server_port}"
        yield services
