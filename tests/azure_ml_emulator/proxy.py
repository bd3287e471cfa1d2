"""A CONNECT proxy on the loopback interface that tunnels a list of host names to one server, and refuses the rest."""

import asyncio
import contextlib
from collections.abc import Callable
from fnmatch import fnmatch

import h11

CHUNK = 65536
CLOSE_SECONDS = 1.0
ROUNDS = 10
"""Of the event loop, which is the server's too: there it sees its ends of the tunnels closed, also in a handshake."""


class AllowListProxy:
    """Every allowed host is tunnelled to 127.0.0.1:`server_port`, so that no connection leaves the machine."""

    def __init__(self, allowed: list[str], server_port: int, on_refusal: Callable[[str], None]) -> None:
        self._allowed = allowed
        self._server_port = server_port
        self._on_refusal = on_refusal
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # what was just accepted begins, and can be ended in order
        for tunnel in list(self._tunnels):
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)
        for _ in range(ROUNDS):
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnel = asyncio.current_task()
        assert tunnel is not None
        self._tunnels.add(tunnel)
        try:
            # cancelled by `stop` alone; a cancelled task makes asyncio's own callback complain
            with contextlib.suppress(ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
                try:
                    await self._answer(reader, writer)
                finally:
                    await _close(writer)
        finally:
            self._tunnels.discard(tunnel)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        request = await _read_request(connection, reader)
        if request is None:
            return
        target = request.target.decode("ascii")
        host = target.rpartition(":")[0] if request.method == b"CONNECT" else target
        if request.method != b"CONNECT" or not any(fnmatch(host, pattern) for pattern in self._allowed):
            self._on_refusal(host)
            refusal = f"The emulator's proxy answers for no host {host}: only CONNECT to {', '.join(self._allowed)}.\n"
            await _respond(connection, writer, h11.Response(status_code=403, headers=[]), refusal.encode())
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        try:
            await _respond(connection, writer, h11.Response(status_code=200, headers=[]), b"")
            await _join(reader, writer, inner_reader, inner_writer)
        finally:
            await _close(inner_writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Return when it is closed: what is open when the loop ends is a warning in whatever test runs then."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(await reader.read(CHUNK))


async def _respond(
    connection: h11.Connection, writer: asyncio.StreamWriter, response: h11.Response, body: bytes
) -> None:
    if body:
        response = h11.Response(status_code=response.status_code, headers=[("content-length", str(len(body)))])
    writer.write(connection.send(response) or b"")
    if body:
        writer.write(connection.send(h11.Data(data=body)) or b"")
    await writer.drain()


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inner_reader: asyncio.StreamReader,
    inner_writer: asyncio.StreamWriter,
) -> None:
    """Copy both ways until either side has closed: TLS ends with both, so a half-open tunnel serves nobody."""
    copies = [
        asyncio.ensure_future(_copy(reader, inner_writer)),
        asyncio.ensure_future(_copy(inner_reader, writer)),
    ]
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
