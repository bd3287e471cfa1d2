"""The Azure ML target against the emulated workspace: adoption, faults, secrets, and what is left behind."""

import hashlib
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure_ml_backend import compute_of
from azure_ml_emulator import BlobAccount, Emulator, FaultKind, FaultRule, Script, Settings
from azure_ml_emulator.client import SDK_WARNINGS, environment_of, import_sdk, until
from toy_recipe import write_dataset

from retuner.compute import azure_ml
from retuner.compute.azure_ml import AzureMlTarget
from retuner.compute.azure_ml_requests import job_of_arguments
from retuner.compute.azure_ml_service import AzureMlService
from retuner.compute.snapshot import make_snapshot
from retuner.compute.target import JobState
from retuner.errors import RetryableError, UserError
from retuner.parameters import BlobStorage
from retuner.storage.blob import open_blob_store
from retuner.storage.credentials import SasPair
from retuner_training.job import Job
from retuner_training.transfer import READ_SAS

pytestmark = SDK_WARNINGS
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


def wait(target, job, until_=lambda status: status.state.is_finished()):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = target.poll({job.name: 0})[job.name]
        if until_(status):
            return status
        time.sleep(0.05)
    raise TimeoutError(f"{job.name} is {status}")


def is_running(status):
    return status.state is JobState.RUNNING and len(status.reports) == 2


def submissions(emulator, since: float) -> int:
    return sum(request.at >= since for request in emulator.record.requests("POST", SUBMIT))


def test_a_result_comes_from_storage_with_all_reports(target, new_job):
    job = new_job(value=0.75)
    target.submit(job)
    status = wait(target, job)
    assert (status.state, status.result.value) == (JobState.COMPLETED, 0.75)
    assert status.reports == ((1, 0.25), (2, 0.75))


def test_a_started_process_adopts_the_live_runs_and_submits_nothing_twice(open_target, emulator, new_job):
    first = open_target()
    first.scale(0, 4)
    jobs = [new_job(number, seconds=3.0) for number in range(3)]
    for job in jobs:
        first.submit(job)
    wait(first, jobs[2], is_running)
    del first  # killed: nothing is closed
    since = emulator.record.now()
    second = open_target()
    second.scale(0, 4)
    assert second.find(jobs[0].study) == [job.name for job in jobs]
    assert is_running(wait(second, jobs[2], is_running)), "a name alone is enough to adopt its run"
    for job in jobs:
        second.submit(job)
    assert {wait(second, job).state for job in jobs} == {JobState.COMPLETED}
    assert submissions(emulator, since) == 0
    assert second.find(jobs[0].study) == []


def test_another_process_cancels_a_final_training_that_it_knows_by_name_alone(open_target, emulator, new_job):
    job = new_job(seconds=60.0)
    final = replace(job, name=f"{job.study}-final-t0001-a1")
    first = open_target()
    first.scale(0, 4)
    first.submit(final)
    wait(first, final, is_running)
    open_target().cancel(first.find(job.study))
    until(lambda: emulator.run(final.name).status == "Canceled")
    experiments = emulator.inspect(lambda service: list(service.state.experiments))
    assert [name for name in experiments if name.startswith(job.study)] == [job.study]


def test_what_is_left_when_a_target_is_closed(open_target, emulator, new_job):
    def secrets():
        return [name for name in emulator.inspect(lambda service: list(service.state.secrets)) if job.study in name]

    target = open_target()
    target.scale(0, 4)
    job = new_job(seconds=60.0)
    target.submit(job)
    wait(target, job, is_running)
    assert len(secrets()) == 2
    target.close()
    until(lambda: emulator.run(job.name).status == "Canceled")
    assert emulator.run(job.study).status == "Completed"
    assert secrets() == []


def test_no_signature_is_in_what_the_workspace_keeps_of_a_run(target, emulator, new_job, store):
    job = new_job()
    target.submit(job)
    wait(target, job)
    run = emulator.run(job.name)
    assert run.parent == job.study
    kept = json.dumps([run.definition, run.tags, run.properties, run.fields])
    signature = store.node_secrets(60)[READ_SAS]
    assert signature in emulator.inspect(lambda service: list(service.state.secrets.values()))
    assert "sig=" not in kept


def test_a_preempted_run_is_lost(target, emulator, new_job):
    job = new_job(seconds=60.0)
    target.submit(job)
    wait(target, job, is_running)
    emulator.preempt(job.name)
    status = wait(target, job)
    assert status.state is JobState.LOST
    assert "preempted" in status.message
    assert status.reports == ((1, 0.25), (2, 0.5))


def test_a_run_that_nobody_knows_any_more_is_lost(target, emulator, new_job, monkeypatch):
    monkeypatch.setattr(azure_ml, "UNSEEN_SECONDS", 0.5)
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.LOST_RUN, seconds=3))
    job = new_job(seconds=60.0)
    target.submit(job)
    status = wait(target, job)
    assert (status.state, status.message) == (JobState.LOST, "Azure ML does not know its run any more")


def test_a_run_that_is_forgotten_at_once_is_submitted_again(target, emulator, new_job):
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.LOST_RUN, seconds=0))
    job = new_job()
    with pytest.raises(RetryableError, match="accepted, and then nobody knew it"):
        target.submit(job)
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED


def test_a_run_that_hangs_in_queued_is_given_up_with_a_diagnosis(open_target, emulator, new_job):
    target = open_target(compute={"wait_minutes": 0.5 / 60})
    target.scale(0, 4)
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.STUCK))
    job = new_job()
    target.submit(job)
    status = wait(target, job)
    assert status.state is JobState.LOST
    assert "Queued" in status.message
    assert "quota" in status.message
    until(lambda: emulator.run(job.name).status == "Canceled")


def test_a_run_without_an_image_fails_with_the_reason(target, emulator, new_job):
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.IMAGE_BUILD))
    job = new_job()
    target.submit(job)
    status = wait(target, job)
    assert status.state is JobState.FAILED
    assert "ImageBuildFailed" in status.message


def test_an_image_that_cannot_be_built_ends_before_any_trial(open_target, emulator, monkeypatch, tmp_path):
    from retuner.compute import azure_ml_service
    from retuner.compute.azure_ml_environment import node_environment

    (tmp_path / "Dockerfile").write_text("FROM broken")
    (tmp_path / "requirements.txt").write_text("")
    monkeypatch.setattr(azure_ml_service, "node_environment", partial(node_environment, folder=tmp_path))
    emulator.faults.add(FaultRule("POST", "/image$", FaultKind.IMAGE_BUILD))
    with pytest.raises(UserError, match=r"image could not be built \(Failed\)"):
        open_target().scale(0, 4)


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        ({"workspace": "elsewhere"}, "compute.workspace"),
        (
            {"vm_size": "Standard_Z9", "cores": None, "cluster": "other"},
            "no VM size Standard_Z9: set compute.vm_size to one that it has, such as STANDARD_",
        ),
        ({"vm_size": "Standard_D2_v2", "cores": None}, "has nodes of Standard_D4_v2, not Standard_D2_v2"),
        ({"min_nodes": 30, "max_nodes": 40, "cluster": "huge"}, "could not be provisioned"),
    ],
)
def test_what_a_person_must_change_ends_the_scale(target, open_target, compute, words):
    with pytest.raises(UserError, match=words):
        open_target(compute={"max_nodes": 4, **compute}).scale(0, 40)


def test_a_minimum_above_the_quota_is_refused_with_the_quota(target, emulator):
    emulator.faults.add(FaultRule("PATCH", COMPUTE, FaultKind.QUOTA))
    with pytest.raises(UserError, match="exceeds the core quota"):
        target.scale(1, 4)


def test_jobs_use_all_cores_of_a_node_of_the_size(open_target, emulator, new_job):
    target = open_target(compute={"cores": None})
    target.scale(0, 4)
    job = new_job()
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED
    assert job_of_arguments(emulator.run(job.name).definition["arguments"]).threads == 8


def test_a_cluster_that_others_use_too_is_not_made_smaller(target, open_target, emulator):
    smaller = open_target(compute={"max_nodes": 2})
    smaller.scale(0, 2)
    assert smaller.nodes == 2
    assert emulator.inspect(lambda service: service.clusters["retuner"].maximum) == 4


def test_a_missing_role_is_named(target, emulator):
    emulator.faults.add(FaultRule("PATCH", COMPUTE, FaultKind.FORBIDDEN))
    with pytest.raises(UserError, match="AzureML Compute Operator"):
        target.scale(1, 4)


def test_an_expired_token_is_renewed_unnoticed(target, emulator, new_job):
    job = new_job(seconds=1.0)
    target.submit(job)
    emulator.faults.add(FaultRule("POST", RUNS, FaultKind.EXPIRED))
    assert wait(target, job).state is JobState.COMPLETED


@pytest.mark.parametrize("kind", [FaultKind.THROTTLED, FaultKind.ERROR, FaultKind.UNAVAILABLE, FaultKind.RESET])
@pytest.mark.parametrize("applied", [False, True], ids=["refused", "done-but-unanswered"])
def test_a_submission_that_fails_is_tried_again_by_the_caller_as_one_job(target, emulator, new_job, kind, applied):
    emulator.faults.add(FaultRule("POST", SUBMIT, kind, applied=applied))
    job = new_job()
    with pytest.raises(RetryableError, match="cannot be submitted"):
        target.submit(job)
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED
    names = emulator.inspect(lambda service: [run.id for run in service.state.runs.values()])
    assert names.count(job.name) == 1


def test_a_service_that_does_not_answer_is_told_as_such(open_target, emulator, new_job):
    target = open_target(call_seconds=1.0)
    target.scale(0, 4)
    emulator.faults.add(FaultRule("POST", SUBMIT, FaultKind.HANG))
    here = Path.cwd()
    with pytest.raises(RetryableError, match="did not answer within 1 s"):
        target.submit(new_job())
    assert Path.cwd() == here
    target.submit(new_job())
    assert wait(target, new_job()).state is JobState.COMPLETED


def test_throttled_reads_are_a_passing_fault(target, emulator, new_job):
    job = new_job(seconds=0.5)
    target.submit(job)
    emulator.faults.add(FaultRule("POST", f"{RUNS}|{METRICS}", FaultKind.THROTTLED, times=1000, seconds=0.01))
    with pytest.raises(RetryableError, match="cannot be read"):
        wait(target, job)
    emulator.faults.clear()
    assert wait(target, job).state is JobState.COMPLETED


def test_the_service_is_left_alone_for_as_long_as_it_asks(target, emulator):
    since = emulator.record.now()
    emulator.faults.add(FaultRule("GET", "/computes$", FaultKind.THROTTLED, seconds=2))
    with pytest.raises(RetryableError, match="429"):
        target.kept_nodes()
    assert target.kept_nodes() == 0
    asked = [request for request in emulator.record.requests("GET", "/computes$") if request.at >= since]
    refused = next(request.at for request in asked if request.fault)
    assert min(request.at for request in asked if request.at > refused) - refused >= 2


def test_a_job_has_a_page_in_the_portal(target, emulator):
    assert target.link("study-t0001-a1") == f"https://ml.azure.com/runs/study-t0001-a1?wsid={emulator.settings.scope}"


def test_late_metrics_are_not_missed(target, new_job):
    job = new_job()
    target.submit(job)
    assert wait(target, job).reports == ((1, 0.25), (2, 0.5)), "they are in the result too"


def test_many_jobs_on_few_nodes_stay_within_the_limits(target, emulator, new_job):
    since = emulator.record.now()
    jobs = [new_job(number, seconds=0.5) for number in range(12)]
    for job in jobs:
        target.submit(job)
    assert {wait(target, job).state for job in jobs} == {JobState.COMPLETED}
    assert emulator.inspect(lambda service: service.clusters["retuner"].most_running) <= 4
    reads = [request.at for request in emulator.record.requests("POST", ":query$") if request.at >= since]
    assert max(sum(at <= other < at + 1 for other in reads) for at in reads) <= 11
    assert target.find(jobs[0].study) == []
    until(lambda: emulator.inspect(lambda service: len(service.clusters["retuner"].nodes)) == 0)


def test_a_job_runs_with_data_and_result_in_blob_storage_alone(azurite_https, store, snapshot, tmp_path):
    write_dataset(tmp_path / "toy")
    for file in sorted((tmp_path / "toy").iterdir(), key=lambda file: file.name == "manifest.json"):
        store.put(file, f"datasets/toy/{file.name}")
    with started(azurite_https) as emulator, environment_of(emulator, tmp_path):
        again = open_blob_store(
            BlobStorage(container=store.place.container, account_url=ACCOUNT_URL),
            SasPair(*(azurite_https.sas(store.place.container, rights) for rights in ("cw", "rl"))),
        )
        target = AzureMlTarget(
            compute_of(emulator, wait_minutes=10),
            snapshot,
            scratch=tmp_path,
            node_secrets=again.node_secrets,
            look_every=0.2,
        )
        target.scale(0, 1)
        place = {"dataset": again.location("datasets/toy"), "output": again.location("jobs/real/real-t0001-a1")}
        record = str(tmp_path / "record")
        job = Job("real-t0001-a1", "real", "toy_recipe:recipe", {"quality": 0.7, "record": record}, seconds=60, **place)
        target.submit(job)
        status = wait(target, job)
        assert status.state is JobState.COMPLETED, target.log_tail(job.name)
        assert status.result.value == pytest.approx(0.7)
        assert again.exists("jobs/real/real-t0001-a1/result.json")
        assert "sig=" not in target.log_tail(job.name)
        target.close()
