"""Targets on the emulated workspace, with runs that play what their jobs say."""

import hashlib
import json
from urllib.parse import urlsplit

import pytest
from azure_ml_backend import compute_of
from azure_ml_emulator import BlobAccount, Emulator, Script, Settings
from azure_ml_emulator.client import environment_of, import_sdk

from retuner.compute.azure_ml import AzureMlTarget
from retuner.compute.azure_ml_requests import job_of_arguments
from retuner.compute.azure_ml_service import AzureMlService
from retuner.compute.snapshot import make_snapshot
from retuner.compute.target import JobState
from retuner.parameters import BlobStorage
from retuner.storage.blob import open_blob_store
from retuner.storage.credentials import SasPair
from retuner_training.job import Job

SUBMIT, RUNS, METRICS, COMPUTE = "/snapshotrun$", "/runs:query$", "/metrics:query$", "/computes/"
ACCOUNT_URL = "https://devstoreaccount1.blob.core.windows.net"


def play(run) -> Script:
    """Report twice, leave the result where the job wants it; the parameters say how long that takes."""
    job = job_of_arguments(run.definition["arguments"])
    reports = [[1, 0.25], [2, job.parameters["value"]]]
    result = {"name": job.name, "outcome": "completed", "value": reports[-1][1], "reports": reports}
    container, _, name = urlsplit(job.output).path.lstrip("/").partition("/")
    rows = [(0.05 * step, "objective", {"step": step, "value": value}) for step, value in reports]
    files = {(container, f"{name}/result.json"): json.dumps(result).encode()}
    return Script(seconds=job.parameters["seconds"], metrics=rows, files=files)


def started(azurite, **options):
    settings = Settings(idle_scale=0.001, node_start_seconds=0.05, **options)
    return Emulator(BlobAccount(azurite.account_url, azurite.key), settings)


@pytest.fixture(scope="module")
def emulator(azurite_https, tmp_path_factory):
    with (
        started(azurite_https, execute=False, script=play) as emulator,
        environment_of(emulator, tmp_path_factory.mktemp("home")),
    ):
        import_sdk()
        with pytest.MonkeyPatch.context() as patch:  # as the target sets it where it is the first to import the SDK
            patch.setattr("azureml._restclient.clientbase.DEFAULT_RETRIES", 0)
            yield emulator


@pytest.fixture(autouse=True)
def no_faults(emulator):
    emulator.faults.clear()
    yield
    emulator.faults.clear()


@pytest.fixture(scope="module")
def store(emulator, azurite_https):
    container = azurite_https.new_container()
    storage = BlobStorage(container=container, account_url=ACCOUNT_URL)
    return open_blob_store(storage, SasPair(azurite_https.sas(container, "cw"), azurite_https.sas(container, "rl")))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return make_snapshot("toy_recipe:recipe", tmp_path_factory.mktemp("snapshots"))


@pytest.fixture
def open_target(emulator, store, snapshot, tmp_path):
    """Opens targets, as processes one after the other would; the last is closed in the end."""
    opened = []

    def make(**options) -> AzureMlTarget:
        compute = {"max_nodes": 4, "wait_minutes": 10, **options.pop("compute", {})}
        parameters = compute_of(emulator, **compute)
        service = AzureMlService(parameters, call_seconds=options.pop("call_seconds", 30.0))
        given = {
            "scratch": tmp_path,
            "node_secrets": store.node_secrets,
            "look_every": 0.05,
            **options,
        }
        opened.append(AzureMlTarget(parameters, snapshot, service=service, **given))
        return opened[-1]

    yield make
    emulator.faults.clear()
    opened[-1].close()


@pytest.fixture
def target(open_target):
    target = open_target()
    target.scale(0, 4)
    return target


@pytest.fixture
def new_job(store, request):
    study = f"study-{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}-1"

    def make(number=1, *, seconds=0.2, value=0.5) -> Job:
        name = f"{study}-t{number:04d}-a1"
        place = {"dataset": store.location("datasets/toy"), "output": store.location(f"jobs/{study}/{name}")}
        return Job(name, study, "toy_recipe:recipe", {"seconds": seconds, "value": value}, seconds=60, **place)

    return make


def is_running(status):
    return status.state is JobState.RUNNING and len(status.reports) == 2


def submissions(emulator, since: float) -> int:
    return sum(request.at >= since for request in emulator.record.requests("POST", SUBMIT))
