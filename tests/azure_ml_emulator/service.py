"""What every route works on, and where it finds it."""

import asyncio
import datetime
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web

from azure_ml_emulator.blobs import Blobs
from azure_ml_emulator.errors import ServiceError
from azure_ml_emulator.faults import FaultKind, FaultRule, Faults
from azure_ml_emulator.jobs import ProcessRunner, Runner, ScriptRunner
from azure_ml_emulator.nodes import Cluster, Quota
from azure_ml_emulator.record import Record
from azure_ml_emulator.state import Experiment, Run, Settings, State, now
from azure_ml_emulator.tokens import Tokens

ARM = "https://management.azure.com"
DATA_PLANE_SUFFIX = "api.azureml.ms"
LOGIN = ["login.microsoftonline.com", "login.microsoft.com"]
WORKSPACE = (
    "/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
ANY_SLASHES = "/{slashes:/*}"
"""The SDK joins `https://management.azure.com/` and `/subscriptions` without looking."""


class Service:
    """One emulated workspace with its clusters, used from the server's event loop alone."""

    def __init__(self, settings: Settings, blobs: Blobs, faults: Faults, record: Record, *, folder: Path) -> None:
        self.settings = settings
        self.blobs = blobs
        self.faults = faults
        self.record = record
        self.state = State()
        self.tokens = Tokens(settings.tenant)
        self.clusters: dict[str, Cluster] = {}
        self.quota = Quota(settings.quota_cores, self.clusters)
        self.workspace_id = str(uuid.uuid4())
        """New for every emulator: the SDK keeps a snapshot cache under it in the user's home."""
        self.client_environment: dict[str, str] = {}
        """What a process needs to reach the emulator; jobs get it too."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.runner: Runner = ProcessRunner(self, folder) if settings.execute else ScriptRunner(self)

    @property
    def data_plane(self) -> str:
        return f"https://{self.settings.location}.{DATA_PLANE_SUFFIX}"

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work that nobody waits for; it ends with the event loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def expiry_time(self) -> datetime.datetime:
        """When a token that is issued now ends."""
        return now() + datetime.timedelta(seconds=self.settings.token_seconds)

    @property
    def default_container(self) -> str:
        return f"azureml-blobstore-{self.workspace_id}"

    @property
    def host_names(self) -> list[str]:
        """Every name that the server answers for, as patterns of a certificate and of the proxy."""
        own = [ARM.removeprefix("https://"), *LOGIN, f"*.{DATA_PLANE_SUFFIX}"]
        return [*own, "*.blob.core.windows.net", "*.vault.azure.net"]

    def experiment(self, request: web.Request) -> Experiment:
        """The experiment that the path names, by name or by id. Raises 404."""
        info = request.match_info
        if name := info.get("experiment"):
            found = self.state.experiments.get(name)
        else:
            found = next((e for e in self.state.experiments.values() if e.id == info["experiment_id"]), None)
        if found is None:
            raise ServiceError(404, "UserError", f"Experiment {info.get('experiment')} was not found.")
        return found

    def run(self, request: web.Request) -> Run:
        """The run that the path names. Raises 404 where nobody knows it, or not in the experiment of the path."""
        info = request.match_info
        named = "experiment" in info or "experiment_id" in info
        return self.run_of(info["run"], self.experiment(request) if named else None)

    def run_of(self, run_id: str, experiment: Experiment | None) -> Run:
        """The run of that id, in that experiment where one is given. Raises 404."""
        run = self.state.runs.get(run_id)
        if run is None or run.lost or experiment not in (None, run.experiment):
            place = f" in the experiment {experiment.name}" if experiment else ""
            raise ServiceError(404, "UserError", f"Run {run_id} was not found{place}.")
        return run


SERVICE = web.AppKey("service", Service)
FAULT = web.RequestKey("fault", FaultRule)
"""Where a request keeps the rule that it met."""


def service_fault(request: web.Request, *kinds: FaultKind) -> FaultRule | None:
    """The rule that this request met, where it is of one of the kinds."""
    rule = request.get(FAULT)
    return rule if rule is not None and rule.kind in kinds else None
