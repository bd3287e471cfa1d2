"""A web server that keeps what is sent to it, and the Prefect notification block that sends there."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

BLOCK = "custom-webhook/tests"
SAVE = (
    "import sys; from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block; "
    "Block(name=sys.argv[2], url=sys.argv[1], method='POST', "
    "json_data={'subject': '{{subject}}', 'body': '{{body}}'}).save(sys.argv[2], overwrite=True)"
)


class Webhook:
    """Listens on this machine; its block, `BLOCK` or another, is saved with the Prefect API of the environment."""

    def __init__(self, environment: Mapping[str, str], block: str = BLOCK) -> None:
        self.messages: list[dict[str, str]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing: the tests' output is for pytest."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{self._server.server_port}"
        command = [sys.executable, "-c", SAVE, address, block.partition("/")[2]]
        subprocess.run(command, env=dict(environment), check=True, timeout=120)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def subjects(self) -> list[str]:
        return [message["subject"] for message in self.messages]

    def wait_for(self, subject: str, words: str = "", *, times: int = 1, seconds: float = 120) -> str:
        """The body of the latest message with that subject and those words in its body, once there are so many."""
        deadline = time.monotonic() + seconds
        while True:
            found = [one["body"] for one in self.messages if one["subject"] == subject and words in one["body"]]
            if len(found) >= times:
                return found[-1]
            assert time.monotonic() < deadline, f"waited for {subject!r}, {words!r}: {self.messages}"
            time.sleep(0.2)
