"""The whole flow on an emulated workspace, through the command line: killed, stopped, and refused."""

import json
import logging
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import until
from azure_retune import AzureRetune, emulated
from azure_roles import BUILT_IN
from azure_study import play
from left_secrets import files_in, found_in, kept_by_azure_ml, stored
from retune_command import FIXED, ask_api

NODES, TRIALS = 16, 96
DATA_SCIENTIST = BUILT_IN["AzureML Data Scientist"]
SAVE_SAS = (
    "import sys; from tasks.blocks import RetunerBlobSas; "
    "RetunerBlobSas(upload_sas=sys.argv[1], read_sas=sys.argv[2]).save('tests', overwrite=True)"
)
STOP_SECONDS = 60


@pytest.fixture
def start(azurite_https, tmp_path, api):
    """Makes the command; its nodes play a training of so many seconds."""
    opened = []

    def make(seconds: float, **options) -> AzureRetune:
        settings = {"execute": False, "script": lambda run: play(run, seconds=seconds), **options}
        opened.append(emulated(azurite_https, **settings))
        return AzureRetune(tmp_path, opened[-1].__enter__(), azurite_https, api)

    yield make
    for emulator in opened:
        emulator.__exit__(None, None, None)


def jobs(retune: AzureRetune) -> list[str]:
    """Every job that was ever started."""
    return retune.emulator.inspect(lambda service: [run.id for run in service.state.runs.values() if run.definition])


def wait_for_trials(retune: AzureRetune, count: int) -> None:
    until(lambda: (retune.home / "ledger.sqlite").exists() and completed(retune) >= count, seconds=240)


def completed(retune: AzureRetune) -> int:
    studies = retune.status()
    return studies[0]["trials"]["completed"] if studies else 0


def assert_given_back(retune: AzureRetune) -> None:
    state = retune.emulator.inspect(lambda service: (service.clusters["retuner"].minimum, dict(service.state.secrets)))
    assert state == (0, {})
    alive = retune.emulator.inspect(lambda s: [run.id for run in s.state.runs.values() if not run.is_finished()])
    assert alive == []


def finish_cluster(service) -> None:
    service.clusters["retuner"].provisioning = "Succeeded"


def finish_image(service) -> None:
    service.state.images.update(dict.fromkeys(service.state.images, "Succeeded"))


def test_after_a_kill_the_live_runs_are_adopted_and_nothing_is_submitted_twice(start, api):
    retune = start(4.0, quota_cores=NODES * 8)
    arguments = retune.azure(trials=TRIALS, nodes=NODES)
    process = retune.start(*arguments)
    wait_for_trials(retune, 20)
    process.kill()
    process.communicate()
    assert retune.emulator.inspect(lambda service: service.clusters["retuner"].minimum) == 1
    started = len(jobs(retune))
    assert started < TRIALS

    document = retune.document(*arguments)
    assert document["trials"] == {"asked": TRIALS, "completed": TRIALS, "pruned": 0, "failed": 0}
    assert document["model"]["champion"] is True
    assert len(jobs(retune)) == TRIALS + 1  # and the final training
    assert not [job for job in jobs(retune) if not job.endswith("-a1")], "a trial was tried twice"
    assert len(retune.emulator.record.requests("POST", "/snapshotrun$")) <= TRIALS + 2  # one may have been on its way
    assert retune.emulator.inspect(lambda service: service.clusters["retuner"].most_running) <= NODES
    assert_given_back(retune)
    artifacts = ask_api(api, "artifacts/filter", {"flow_runs": {"id": {"any_": [document["flow_run"]]}}})
    (link,) = [found for found in artifacts if found["key"] == "jobs-faq-ranker"]
    assert f"https://ml.azure.com/runs/{document['study']}" in link["data"]


def stop(process) -> str:
    """SIGTERM, heard within the promised time; what the command says on stderr."""
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert time.monotonic() - asked < STOP_SECONDS
    return err


def pages(retune: AzureRetune, api: str) -> dict[str, list[str]]:
    """Pages of jobs that the newest log lines of task runs name, by the job."""
    logs = ask_api(api, "logs/filter", {"logs": {"level": {"ge_": logging.INFO}}, "sort": "TIMESTAMP_DESC"})
    found: dict[str, list[str]] = {}
    for line in logs:
        job, is_page, page = line["message"].partition(" is at https://ml.azure.com/runs/")
        if is_page and line["task_run_id"] and job in jobs(retune):
            found.setdefault(job, []).append(page)
    return found


def test_a_stop_cancels_the_runs_and_gives_the_nodes_back_within_a_minute(start, api):
    retune = start(30.0)
    retune.emulator.faults.add(FaultRule("POST", "/snapshotrun$", FaultKind.STUCK))
    arguments = retune.azure(trials=6, nodes=2)
    process = retune.start(*arguments)
    until(lambda: len(jobs(retune)) == 2, seconds=240)
    # also that of the one which hangs in Queued, told once and in the log of its own task run
    until(lambda: [len(told) for told in pages(retune, api).values()] == [1, 1])
    err = stop(process)
    assert "retune run --resume" in err
    assert_given_back(retune)
    assert [study["state"] for study in retune.status()] == ["open"]


def test_the_next_start_gives_back_what_another_study_of_its_model_left(start):
    """Clean-up looks at no study of a model that is worked on."""
    retune = start(4.0)
    process = retune.start(*retune.azure(trials=4, nodes=2))
    until(lambda: len(jobs(retune)) == 2, seconds=240)
    process.kill()
    process.communicate()
    assert retune.emulator.inspect(lambda service: service.clusters["retuner"].minimum) == 1

    search = {"trials": 1, "sampler": "random", "stopping": "none", "space": FIXED, "seed": 7}
    done = retune(*retune.azure(trials=1, nodes=2, search=search))
    assert done.returncode == 0, done.stderr
    left, new = sorted(retune.status(), key=lambda study: study["updated"])
    assert f"{left['study']}: 2 trials without a process" in done.stderr
    assert (left["state"], new["state"]) == ("open", "finished")
    assert_given_back(retune)


def test_a_study_that_was_stopped_is_resumed_by_the_next_start(start):
    retune = start(4.0)
    arguments = retune.azure(trials=6, nodes=2)
    process = retune.start(*arguments)
    wait_for_trials(retune, 2)
    stop(process)
    assert_given_back(retune)
    [stopped] = retune.status()
    done = stopped["trials"]["completed"]
    assert 2 <= done < 6

    document = retune.document(*arguments)
    assert document["study"] == stopped["study"]
    assert document["trials"] == {"asked": 6, "completed": 6, "pruned": 0, "failed": 0}
    assert document["model"]["champion"] is True
    again = {job.rpartition("-a")[0] for job in jobs(retune) if not job.endswith("-a1")}
    assert len(again) <= 6 - done, "a completed trial was paid for twice"
    assert len({job.rpartition("-a")[0] for job in jobs(retune)}) == 6 + 1  # and the final training
    assert_given_back(retune)


@pytest.mark.parametrize(
    ("slow", "request_", "finish"),
    [
        ("provision_seconds", ("PUT", "/computes/retuner$"), finish_cluster),
        ("image_build_seconds", ("POST", "/image$"), finish_image),
    ],
)
def test_a_stop_is_heard_while_azure_works_slowly(start, slow, request_, finish):
    retune = start(0.2, **{slow: 600})
    arguments = retune.azure(trials=2, nodes=2)
    process = retune.start(*arguments)
    until(lambda: retune.emulator.record.requests(*request_), seconds=240)
    err = stop(process)
    assert "the same command goes on from there" in err
    assert_given_back(retune)
    [stopped] = retune.status()
    assert stopped["state"] == "open"
    retune.emulator.inspect(finish)
    document = retune.document(*arguments)
    assert document["study"] == stopped["study"]
    assert document["trials"] == {"asked": 2, "completed": 2, "pruned": 0, "failed": 0}


def test_two_signatures_in_a_block_are_all_that_a_study_needs_and_are_left_nowhere(
    start, azurite_https, tmp_path_factory
):
    """The nodes really run, and are told no more than these two."""
    retune = start(0, execute=True)
    # longer than a job may wait and train
    storage, signatures = storage_with_signatures(retune, azurite_https, timedelta(hours=6))
    process = retune.start(*retune.azure("--json", trials=2, nodes=2, storage=storage))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert document["trials"] == {"asked": 2, "completed": 2, "pruned": 0, "failed": 0}
    assert document["model"]["champion"] is True
    assert document["report"].startswith("https://")
    places = {
        "what was printed": (out + err).encode(),
        "the run history": kept_by_azure_ml(retune),
        **stored(azurite_https, [retune.container, "azureml", "snapshots"]),
        # the ledger, MLflow's database, the log, what the SDK keeps
        **files_in(retune.folder),
        # parameters, logs and artifacts of Prefect's server, which holds the block too, encrypted
        **{str(file): file.read_bytes() for file in tmp_path_factory.getbasetemp().glob("prefect*/**/*.db*")},
    }
    for kind in ("prefect.db", "ledger.sqlite", "std_log.txt", "result.json", "parameters.json"):
        assert [name for name in places if name.endswith(kind)], f"{kind} was looked into"
    assert found_in(places, signatures) == []
    assert_given_back(retune)


def test_signatures_that_end_before_a_job_may_are_refused_before_anything_is_created(start, azurite_https):
    retune = start(0.1)
    storage, _ = storage_with_signatures(retune, azurite_https, timedelta(hours=1))
    done = retune(*retune.azure(trials=2, nodes=2, storage=storage))
    assert done.returncode == 1
    assert "too early for what has to be done with it" in done.stderr.strip().splitlines()[-1]
    assert retune.emulator.inspect(lambda service: (service.clusters, service.state.runs)) == ({}, {})


def storage_with_signatures(retune, azurite_https, lifetime: timedelta) -> tuple[dict[str, object], list[str]]:
    """The parameters of a storage whose block holds the least signatures, and these."""
    end = datetime.now(UTC) + lifetime
    signatures = [azurite_https.sas(retune.container, rights, expiry=end) for rights in ("cw", "r")]
    environment = {**retune.environment, "PREFECT_HOME": str(retune.folder / "prefect")}
    command = [sys.executable, "-c", SAVE_SAS, *signatures]
    subprocess.run(command, env=environment, cwd=retune.folder, check=True, timeout=120)
    return {**retune.place(nodes=2)["storage"], "block": "retuner-blob-sas/tests"}, signatures


def test_a_stop_during_the_final_training_cancels_its_run(start, api):
    retune = start(0.2, script=lambda run: play(run, seconds=600 if "-final-" in run.id else 0.2))
    process = retune.start(*retune.azure(trials=2, nodes=2))
    until(lambda: any("-final-" in job for job in jobs(retune)), seconds=240)
    # while it is at work, in the log of its task run
    until(lambda: [len(found) for job, found in pages(retune, api).items() if "-final-" in job] == [1])
    stop(process)
    assert_given_back(retune)
    [study] = retune.status()
    experiments = retune.emulator.inspect(lambda service: list(service.state.experiments))
    assert experiments == [study["study"]], "no experiment but the study's own was made"


@pytest.mark.parametrize(
    ("compute", "options", "words"),
    [
        ({"workspace": "elsewhere"}, {}, "compute.workspace"),
        ({"vm_size": "Standard_Z9"}, {}, "no VM size Standard_Z9: set compute.vm_size"),
        ({"max_nodes": 16}, {"quota_cores": 24}, "need 48 vCPU, and 24 are available"),
        ({"min_nodes": 5, "max_nodes": 2}, {}, "set compute.min_nodes to 2 or less"),
        ({}, dict(zip(("actions", "not_actions"), DATA_SCIENTIST, strict=True)), "'AzureML Compute Operator'"),
        ({"workspace": None}, {}, "set compute.workspace"),
        ({}, {"computes": {"retuner": "ComputeInstance"}}, "no AmlCompute cluster: name another in compute.cluster"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_anything_is_created(start, compute, options, words):
    retune = start(0.1, **options)
    place = retune.place(nodes=4)
    done = retune(*retune.azure(trials=6, nodes=4, compute={**place["compute"], **compute}))
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.strip().splitlines()[-1]
    assert words in last
    assert "Traceback" not in done.stderr
    assert retune.emulator.inspect(lambda service: (service.clusters, service.state.runs)) == ({}, {})
    assert retune.status() == []


def test_an_identity_without_any_role_is_told_which(start):
    retune = start(0.1)
    retune.emulator.faults.add(FaultRule("GET", "/workspaces/emulated$", FaultKind.FORBIDDEN, times=1000))
    done = retune(*retune.azure(trials=2, nodes=2))
    assert done.returncode == 1
    assert "AzureML Data Scientist" in done.stderr.strip().splitlines()[-1]


def test_jobs_on_azure_ml_want_blob_storage(start):
    retune = start(0.1)
    done = retune(*retune.azure(trials=2, nodes=2, storage={"kind": "folder"}))
    assert done.returncode == 1
    assert "name a container in storage.container" in done.stderr
