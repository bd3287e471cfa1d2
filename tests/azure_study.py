"""A study of the toy recipe on an emulated workspace, stage by stage in this process, for tests of faults and size."""

import json
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure_ml_backend import compute_of
from azure_ml_emulator import Emulator, Script
from azurite import Azurite
from toy_recipe import write_dataset

from retuner.azure_ml.workspace import CALL_SECONDS
from retuner.compute.azure_ml import AzureMlTarget
from retuner.compute.azure_ml_preflight import check_azure_ml
from retuner.compute.azure_ml_requests import job_of_arguments
from retuner.compute.azure_ml_service import AzureMlService
from retuner.errors import RetryableError
from retuner.parameters import AzureMlCompute, BlobStorage
from retuner.parameters.values import parse_parameters
from retuner.registry.mlflow import MlflowRegistry
from retuner.search.ledger import Ledger
from retuner.search.patience import Pace
from retuner.settings import read_settings
from retuner.stages import retrain, search
from retuner.stages.prepare import files_to_store, prepare_dataset, store_file
from retuner.stages.study import Study, open_study
from retuner.storage.blob import BlobStore, open_blob_store
from retuner.storage.credentials import ConnectionString
from retuner.workbench import Workbench, find_recipe
from retuner_training.dataset import MANIFEST
from retuner_training.job import Job
from retuner_training.run import run_job

ACCOUNT_URL = "https://devstoreaccount1.blob.core.windows.net"
RECIPE = "toy_recipe.recorded:recipe"
PACE = Pace(longest_after_error=0.5, patience=20.0, stop=5.0, close=10.0)
TRIES = 4
"""As often as a task of the flow is tried."""


def new_store(azurite: Azurite) -> BlobStore:
    """A container of its own, reached as the nodes reach it."""
    text = azurite.connection_string.replace(azurite.account_url, ACCOUNT_URL)
    return open_blob_store(
        BlobStorage(container=azurite.new_container(), account_url=ACCOUNT_URL), ConnectionString(text)
    )


def play(run: Any, *, seconds: float = 0.2) -> Script:
    """What a training leaves behind, without a process: two reports, and its result where the job wants it.

    The final training is done for real, as its model is looked into.
    """
    job = job_of_arguments(run.definition["arguments"])
    assert job is not None
    files = _final_files(job) if job.keep_model else {"result.json": _result(job)}
    container, _, prefix = urlsplit(job.output).path.lstrip("/").partition("/")
    rows = [(0.05 * step, "objective", {"step": step, "value": value}) for step, value in _reports(job)]
    content = {(container, f"{prefix}/{name}"): data for name, data in files.items()}
    return Script(seconds=seconds, metrics=rows, files=content, log=f"{job.name} was here\n")


def _reports(job: Job) -> list[tuple[int, float]]:
    quality = job.parameters["quality"]
    return [(1, quality / 2), (2, quality)]


def _result(job: Job) -> bytes:
    reports = _reports(job)
    value = {"value": reports[-1][1], "metrics": {"hit": reports[-1][1]}, "reports": reports}
    return json.dumps({"name": job.name, "outcome": "completed", **value}).encode()


def _final_files(job: Job) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = {"dataset": str(write_dataset(folder / "dataset")), "output": str(folder / "output")}
        short = {"quality": job.parameters["quality"]}
        run_job(replace(job, parameters=short, **place))
        # result.json last: what it names is then there
        files = sorted((folder / "output").iterdir(), key=lambda file: file.name == "result.json")
        return {file.name: file.read_bytes() for file in files if not file.name.startswith(".")}


@dataclass
class AzureStudy:
    """One study, and the process that works on it."""

    emulator: Emulator
    store: BlobStore
    home: Path
    trials: int = 4
    nodes: int = 2
    compute: dict[str, Any] = field(default_factory=dict)
    call_seconds: float = CALL_SECONDS
    look_every: float = 0.05
    pace: Pace = PACE
    seed: int = 0

    def __post_init__(self) -> None:
        self.settings = read_settings({"RETUNER_HOME": str(self.home)})
        self.ledger = Ledger(self.settings.ledger_url)
        self.bench = self._bench()

    def open(self) -> Study:
        """The study, its data in the store."""
        dataset = prepare_dataset(self.bench)
        for file in [*files_to_store(dataset), dataset.folder / MANIFEST]:
            store_file(self.bench, dataset, file)
        return open_study(self.bench, dataset)

    @property
    def compute_parameters(self) -> AzureMlCompute:
        assert isinstance(self.bench.parameters.compute, AzureMlCompute)
        return self.bench.parameters.compute

    def service(self) -> AzureMlService:
        """With less patience for one call than the flow has."""
        return AzureMlService(self.compute_parameters, call_seconds=self.call_seconds)

    def target(self, study: Study) -> AzureMlTarget:
        """As a process that has just started opens it; it looks more often than the flow's."""
        return AzureMlTarget(
            self.compute_parameters,
            study.snapshot,
            scratch=self.settings.scratch,
            node_secrets=self.store.node_secrets,
            service=self.service(),
            look_every=self.look_every,
        )

    def run(self, study: Study) -> str:
        """The stages from scale-up to the final training; nodes are given back whatever happens. Returns the job."""
        target = self.target(study)
        try:
            tried(lambda: check_azure_ml(self.service(), self.compute_parameters, self.nodes))
            tried(lambda: search.scale_up(self.bench, study, target))
            search.make_coordinator(self.bench, study, target, lambda _: None, pace=self.pace).run()
            best = search.find_best(self.bench, study)
            return tried(lambda: retrain.retrain_best(self.bench, study, target, best))
        finally:
            tried(lambda: search.scale_back(self.bench, study, target))

    def _bench(self) -> Workbench:
        compute = {"max_nodes": self.nodes, "min_nodes": 1, **self.compute}
        parameters = parse_parameters(
            {
                "model_name": "toy",
                "recipe": RECIPE,
                "search": {
                    "trials": self.trials,
                    "sampler": "random",
                    "stopping": "none",
                    "seed": self.seed,
                    "space": {"fails_at": 0},
                },
                "compute": compute_of(self.emulator, **compute).model_dump(),
                "storage": {"container": self.store.place.container, "account_url": ACCOUNT_URL},
            }
        )
        return Workbench(
            parameters=parameters,
            settings=self.settings,
            recipe=find_recipe(RECIPE),
            store=self.store,
            registry=MlflowRegistry(self.settings.mlflow_uri, artifact_root=self.settings.mlflow_artifacts),
            ledger=self.ledger,
            stop=threading.Event(),
        )


def tried(step: Callable[[], Any]) -> Any:
    """A stage as the flow runs it: tried again where that may help."""
    for number in range(TRIES):
        try:
            return step()
        except RetryableError:
            if number == TRIES - 1:
                raise
    return None
