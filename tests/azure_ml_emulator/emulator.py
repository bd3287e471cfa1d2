"""The emulator whole: server, proxy and certificates in one thread, and what a client's environment needs."""

import asyncio
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from azure_ml_emulator.blobs import BlobAccount, Blobs
from azure_ml_emulator.certificates import write_authority
from azure_ml_emulator.faults import Faults
from azure_ml_emulator.jobs import ARTIFACTS, SNAPSHOTS
from azure_ml_emulator.proxy import AllowListProxy
from azure_ml_emulator.record import Record
from azure_ml_emulator.server import application, listen
from azure_ml_emulator.service import LOGIN, Service
from azure_ml_emulator.state import Run, Settings

T = TypeVar("T")
START_SECONDS = 30.0


class Emulator:
    """A context manager; everything that it started ends with it, or with this process."""

    def __init__(self, blobs: BlobAccount, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.faults = Faults()
        self.record = Record()
        self.environment: dict[str, str] = {}
        """Variables that lead the SDK here; for the environment of the process under test, never of this machine."""
        self.environment_of_machine: dict[str, str] = {}
        """The same for a machine in Azure with a managed identity."""
        self._blobs = Blobs(blobs)
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._service: Service
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="azure-ml-emulator", daemon=True)

    def __enter__(self) -> "Emulator":
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError(f"The emulator did not start in {START_SECONDS:g} s.")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)

    def inspect(self, look: Callable[[Service], T]) -> T:
        """What `look` says of the service, called on its own thread: nothing changes meanwhile."""

        async def call() -> T:
            return look(self._service)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(START_SECONDS)

    def run(self, run_id: str) -> Run:
        return self.inspect(lambda service: service.state.runs[run_id])

    def preempt(self, run_id: str) -> None:
        """Take the node of a running job away."""

        def take(service: Service) -> None:
            run = service.state.runs[run_id]
            for cluster in service.clusters.values():
                cluster.preempt(run)

        self.inspect(take)

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for the start
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with tempfile.TemporaryDirectory(prefix="azure-ml-emulator-") as name:
            folder = Path(name)
            self._service = Service(self.settings, self._blobs, self.faults, self.record, folder=folder / "nodes")
            bundle, context = write_authority(folder, self._service.host_names)
            await self._blobs.start([ARTIFACTS, SNAPSHOTS, self._service.default_container])
            runner, port = await listen(application(self._service), context)
            proxy = AllowListProxy(self._service.host_names, port, self.record.refused_hosts.append)
            self._describe(await proxy.start(), bundle)
            self._ready.set()
            await self._stop.wait()
            for cluster in self._service.clusters.values():
                await cluster.stop()
            await proxy.stop()
            await runner.cleanup()
            await self._blobs.stop()

    def _describe(self, proxy_port: int, bundle: Path) -> None:
        proxy = f"http://127.0.0.1:{proxy_port}"
        reach = {
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(bundle),
        }
        self._service.client_environment = reach
        self.environment_of_machine = {**reach, "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"https://{LOGIN[0]}"}
        self.environment = {
            **reach,
            "AZURE_TENANT_ID": self.settings.tenant,
            "AZURE_CLIENT_ID": self.settings.client,
            "AZURE_CLIENT_SECRET": self._service.tokens.password,
        }
