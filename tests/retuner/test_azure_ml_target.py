"""The Azure ML target against the emulated workspace: adoption, secrets, nodes, and what is left behind."""

import json
from dataclasses import replace

import pytest
from azure_ml_backend import compute_of
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS, environment_of, until
from azure_ml_target_bench import (
    ACCOUNT_URL,
    emulator,
    is_running,
    new_job,
    no_faults,
    open_target,
    snapshot,
    started,
    store,
    submissions,
    target,
)
from compute_backends import wait
from toy_recipe import write_dataset

from retuner.compute.azure_ml import AzureMlTarget
from retuner.compute.azure_ml_preflight import check_azure_ml
from retuner.compute.azure_ml_requests import job_of_arguments
from retuner.compute.azure_ml_service import AzureMlService
from retuner.compute.target import JobState
from retuner.errors import UserError
from retuner.parameters import BlobStorage
from retuner.storage.blob import open_blob_store
from retuner.storage.credentials import SasPair
from retuner_training.job import Job
from retuner_training.transfer import READ_SAS

__all__ = ["emulator", "new_job", "no_faults", "open_target", "snapshot", "store", "target"]

pytestmark = SDK_WARNINGS


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
    adopted = wait(second, jobs[2], is_running)
    assert is_running(adopted), "a name alone is enough to adopt its run"
    assert adopted.began == emulator.run(jobs[2].name).started, "the node is paid since then, not since the adoption"
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


def secrets_of(job, emulator) -> list[str]:
    return [name for name in emulator.inspect(lambda service: list(service.state.secrets)) if job.study in name]


def test_what_is_left_when_a_target_is_closed(open_target, emulator, new_job):
    target = open_target()
    target.scale(0, 4)
    job = new_job(seconds=60.0)
    target.submit(job)
    wait(target, job, is_running)
    assert len(secrets_of(job, emulator)) == 2
    target.close()
    until(lambda: emulator.run(job.name).status == "Canceled")
    assert emulator.run(job.study).status == "Canceled"
    assert secrets_of(job, emulator) == []


@pytest.mark.parametrize(("end", "status"), [("completed", "Completed"), ("failed", "Failed"), ("stopped", "Canceled")])
def test_the_parent_run_ends_as_its_study_and_goes_on_with_it(open_target, emulator, new_job, end, status):
    first = open_target()
    first.scale(0, 4)
    first.submit(new_job(1))
    assert wait(first, new_job(1)).state is JobState.COMPLETED
    for _ in range(2):
        first.close(end)
        assert emulator.run(new_job().study).status == status
    resumed = open_target()
    resumed.scale(0, 4)
    resumed.submit(new_job(2))
    assert emulator.run(new_job().study).status == "Running"
    assert wait(resumed, new_job(2)).state is JobState.COMPLETED
    resumed.close("completed")
    assert emulator.run(new_job().study).status == "Completed"


def test_a_parent_run_that_may_not_go_on_keeps_its_end_and_its_study_goes_on(open_target, emulator, new_job, caplog):
    first = open_target()
    first.scale(0, 4)
    first.submit(new_job(1))
    first.close()
    emulator.faults.add(FaultRule("POST", f"{new_job().study}/events$", FaultKind.FORBIDDEN, times=100))
    resumed = open_target()
    resumed.scale(0, 4)
    resumed.submit(new_job(2))
    assert wait(resumed, new_job(2)).state is JobState.COMPLETED
    resumed.close("completed")
    assert emulator.run(new_job().study).status == "Canceled"
    assert "It keeps the end that it had." in caplog.text


def test_a_resumed_study_writes_its_secrets_although_deleted_names_stay_taken(open_target, emulator, new_job):
    for number in range(2):
        target = open_target()
        target.scale(0, 4)
        target.submit(new_job(number))
        assert wait(target, new_job(number)).state is JobState.COMPLETED
        target.close()
        target.submit(new_job(number + 10))  # and whoever goes on after its own clean-up
        target.close()
    assert secrets_of(new_job(), emulator) == []


def test_secrets_of_a_process_that_died_are_deleted_by_whoever_cleans_up(open_target, emulator, new_job):
    job = new_job(seconds=60.0)
    other = replace(job, study=f"{job.study}1", name=job.name.replace(job.study, f"{job.study}1"))
    died = open_target()
    died.scale(0, 4)
    died.submit(job)
    died.submit(other)
    cleaner = open_target()
    cleaner.cancel(cleaner.find(job.study))
    cleaner.close()
    assert secrets_of(job, emulator) == secrets_of(other, emulator) != []
    died.close()


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


def test_jobs_use_all_cores_of_a_node_of_the_size(open_target, emulator, new_job):
    target = open_target(compute={"cores": None})
    target.scale(0, 4)
    job = new_job()
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED
    assert job_of_arguments(emulator.run(job.name).definition["arguments"]).threads == 8


def test_an_image_that_exists_is_used_and_none_is_built(open_target, emulator, new_job):
    since, image = emulator.record.now(), "registry.example/trainings:7"
    target = open_target(compute={"image": image})
    target.scale(0, 4)
    job = new_job()
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED
    used = emulator.run(job.name).definition["environment"]
    environment = emulator.inspect(lambda service: service.state.environments[used["name"]][-1])
    for one in (used, environment):
        assert (one["docker"]["baseImage"], one["docker"]["baseDockerfile"]) == (image, None)
        assert one["python"]["userManagedDependencies"] is True
    assert [request for request in emulator.record.requests("*", "/image$|/imagebuilds/") if request.at >= since] == []


def test_roles_on_the_resource_group_alone_are_enough(open_target, emulator, new_job, caplog):
    emulator.faults.add(FaultRule("GET", "/locations/", FaultKind.FORBIDDEN, times=1000))
    target = open_target(compute={"cores": None})
    check_azure_ml(target._service, target._parameters, 4)
    assert "'Reader' on the subscription" in caplog.text
    assert "compute.vm_size=Standard_D4_v2 and its quota are not checked" in caplog.text
    target.scale(0, 4)
    assert "set compute.cores" in caplog.text
    job = new_job()
    target.submit(job)
    assert wait(target, job).state is JobState.COMPLETED
    assert job_of_arguments(emulator.run(job.name).definition["arguments"]).threads == 1


def test_a_cluster_that_others_use_too_is_not_made_smaller(target, open_target, emulator):
    smaller = open_target(compute={"max_nodes": 2})
    smaller.scale(0, 2)
    assert smaller.nodes == 2
    assert emulator.inspect(lambda service: service.clusters["retuner"].maximum) == 4


def test_a_cluster_gets_back_the_idle_seconds_that_it_had(open_target, emulator):
    def idle(name):
        return emulator.inspect(lambda service: service.clusters[name].idle_seconds)

    AzureMlService(compute_of(emulator, cluster="theirs", idle_seconds=60)).scale(0, 1)
    target = open_target(compute={"cluster": "theirs", "idle_seconds": 300})
    for _ in range(2):
        target.scale(0, 2)
        assert idle("theirs") == 300
        target.scale(0, 0)
        assert idle("theirs") == 60
    target.scale(0, 2)
    AzureMlService(compute_of(emulator, cluster="theirs", idle_seconds=120)).scale(0, 1)
    target.scale(0, 0)
    assert idle("theirs") == 120, "somebody has changed it meanwhile"


def test_nodes_that_are_up_do_not_idle_for_longer_than_is_counted(open_target, emulator):
    AzureMlService(compute_of(emulator, cluster="patient", idle_seconds=1800)).scale(0, 1)
    target = open_target(compute={"cluster": "patient", "idle_seconds": 60})
    target.scale(0, 2)
    target.scale(0, 0)
    assert emulator.inspect(lambda service: service.clusters["patient"].idle_seconds) == 60


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


def steps_logged(emulator, name: str) -> list[int]:
    """Steps whose objective the run has sent through `Run.log`."""
    values = emulator.inspect(lambda service: service.state.runs[name].metrics["objective"].visible())
    return [int(value["data"]["step"]) for value in values]


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
        parameters = {"quality": 0.7, "record": record, "steps": 10}
        job = Job("real-t0001-a1", "real", "toy_recipe.chatty:recipe", parameters, seconds=60, **place)
        target.submit(job)
        status = wait(target, job)
        assert status.state is JobState.COMPLETED, target.log_tail(job.name)
        assert status.result.value == pytest.approx(0.7)
        assert steps_logged(emulator, job.name) == [1, 5, 9, 10], "the service is told no more than the recipe's period"
        assert again.exists("jobs/real/real-t0001-a1/result.json")
        assert "sig=" not in target.log_tail(job.name)
        target.close()
