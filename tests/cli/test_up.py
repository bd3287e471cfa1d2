"""`retune up` and `retune down`, and what a person does in between, through Prefect's API."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from retune_command import FIXED, wait_until
from station import Station, marked
from webhook import BLOCK

TOLD_SECONDS = 10
"""Within so many seconds a failure is told."""
TOLD_OF_KILL_SECONDS = 180
"""The same, after a kill -9."""


def lasting(station: Station) -> dict[int, list[str]]:
    """The station's processes but for flow runs: a clean-up may begin or end at any moment."""
    found = {}
    for pid in marked(station.retune.home):
        with suppress(psutil.NoSuchProcess):
            found[pid] = psutil.Process(pid).cmdline()
    return {pid: command for pid, command in found.items() if {"up", "server", "worker"} & set(command)}


def test_another_up_puts_in_place_what_prefect_yaml_says_now_and_nothing_twice(station, webhook):
    """The fixture `webhook` has named its block in prefect.yaml and given `up` again."""
    before = station.deployment("retune/local")
    assert before["parameters"]["notify"]["blocks"] == [BLOCK]
    processes = lasting(station)
    addresses = station.up()
    assert addresses["ui"] == f"http://127.0.0.1:{station.port}"
    assert addresses["deployments"] == ["clean-up/every-15-minutes", "retune/azure-ml", "retune/dask", "retune/local"]
    assert lasting(station) == processes
    after = station.deployment("retune/local")
    assert (after["id"], after["parameters"], len(after["schedules"])) == (before["id"], before["parameters"], 1)
    names = [one["name"] for one in station.call("POST", "automations/filter", {})]
    assert len(names) == len(set(names)) == 13


def test_a_partial_override_over_rest_keeps_the_deployments_other_values(station):
    trained = station.retune.trainings()
    run = station.wait_for(station.trigger("retune/local", search={"trials": 2}))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    study = station.retune.status()[0]
    assert study["trials"]["completed"] == 2  # of the toy recipe, drawn at random: the deployment's
    assert station.retune.trainings() - trained == 3


def test_a_new_champion_and_a_failure_are_told_to_a_webhook(station, webhook):
    station.wait_for(station.trigger("retune/local", model_name="told", search={"trials": 1}))
    told = webhook.wait_for("retuner: told version 1 is the champion")
    assert "There is no champion yet" in told
    assert f"http://127.0.0.1:{station.port}/runs/flow-run/" in told
    run = station.wait_for(station.trigger("retune/local", search={"trials": 2, "space": {"fails_at": 1}}))
    assert run["state_type"] == "FAILED"
    told = webhook.wait_for("retuner: retune-FAQ_ranker is Failed", seconds=TOLD_SECONDS)
    study = station.retune.status()[0]["study"]
    assert told.startswith("retune of local: Failed\nUserError: ")  # which flow, which class
    assert f"2 x ArithmeticError: step 1 went wrong; the latest is trial 1 ({study}-t0001-a1 on " in told
    assert 'raise ArithmeticError(f"step {step} went wrong")\n' in told  # the last log lines
    assert "next: what the training raises is not tried again" in told
    assert told.endswith(f"http://127.0.0.1:{station.port}/runs/flow-run/{run['id']}")


def test_a_notification_can_be_tried_and_a_refusal_is_said(station, webhook):
    tried = station.retune("notify", "--test")
    assert (tried.returncode, tried.stdout) == (0, f"The message through {BLOCK} was taken.\n")
    assert webhook.subjects()[-1] == "retuner: test"
    webhook.status = 500
    refused = station.retune("notify", "--test", "--json")
    webhook.status = 200
    assert refused.returncode == 1
    assert "did not arrive (it answered 500)" in json.loads(refused.stdout)["faults"][BLOCK]
    missing = station.retune("notify", "--test", "--block", "slack-webhook/nobody")
    assert missing.returncode == 1
    assert "There is no block 'slack-webhook/nobody': make it in the Prefect UI" in missing.stdout


def test_the_api_refuses_wrong_values_and_unknown_names(station):
    assert station.refusal("retune/local", search={"trials": 0}) == (
        409,
        "Error creating flow run: Validation failed for field 'search.trials'. "
        "Failure reason: 0 is less than the minimum of 1",
    )
    for wrong, name in (({"search": {"trails": 3}}, "trails"), ({"saerch": {}}, "saerch")):
        status, words = station.refusal("retune/local", **wrong)
        assert status == 409
        assert f"'{name}' was unexpected" in words
    assert "'a b' does not match" in station.refusal("retune/local", model_name="a b")[1]


def test_a_second_retune_waits_or_is_refused_as_its_deployment_says(station):
    first = station.in_mid_search(trials=100, seed=7)
    study = station.retune.status()[0]["study"]
    waiting = station.trigger("retune/dask", search={"trials": 1})
    station.wait_for(waiting, {"RUNNING"})
    refused = station.retune(*station.retune.search(trials=1))
    assert "Another retune of FAQ_ranker is at work" in refused.stderr
    assert station.flow_run(waiting)["state_type"] == "RUNNING"
    assert station.flow_run(first)["state_type"] == "RUNNING"
    station.call("POST", f"flow_runs/{first}/set_state", {"state": {"type": "CANCELLING"}})  # as the UI's button
    assert station.wait_for(first)["state_type"] == "CANCELLED"
    [stopped] = [one for one in station.retune.status() if one["study"] == study]
    assert (stopped["state"], stopped["trials"]["running"]) == ("open", 0)
    assert station.wait_for(waiting)["state_type"] == "COMPLETED"


@pytest.fixture
def unscheduled_clean_up(station: Station) -> Iterator[None]:
    """Clean-up runs only when a test says so.

    Prefect tells nobody of the scheduling of a scheduled flow run, and lets what follows wait for that news where both
    lie within five minutes: automations then hear of its end a quarter of an hour late.
    """
    deployment = station.deployment("clean-up/every-15-minutes")["id"]
    live = {"tags": {"all_": ["clean-up"]}, "state": {"type": {"any_": ["PENDING", "RUNNING"]}}}
    station.call("POST", f"deployments/{deployment}/pause_deployment", {})
    wait_until(lambda: not station.call("POST", "flow_runs/filter", {"flow_runs": live}), "the end of clean-up")
    yield
    station.call("POST", f"deployments/{deployment}/resume_deployment", {})


@pytest.mark.usefixtures("unscheduled_clean_up")
def test_what_a_killed_flow_run_left_behind_is_found_and_told_and_a_retry_continues(station, webhook):
    run = station.in_mid_search(trials=8, seed=5, space={**FIXED, "delay": 0.5})  # long enough to be seen at work
    os.kill(lease_holder(station), signal.SIGKILL)
    killed = time.monotonic()
    left = station.retune.status()[0]
    assert station.wait_for(run)["state_type"] == "CRASHED"
    assert "retry it in the UI" in webhook.wait_for("retuner: retune-FAQ_ranker is Crashed")
    assert time.monotonic() - killed < TOLD_OF_KILL_SECONDS
    found = station.wait_for(station.trigger("clean-up/every-15-minutes"))
    assert found["state_name"] == "CleanedUp", found["state"]["message"]
    for words in (
        "The flow run retune-FAQ_ranker had no process any more.",
        f"continue with: retune run --resume {left['study']}",
    ):
        assert words in found["state"]["message"]
        webhook.wait_for("retuner: clean-up is CleanedUp", words)
    study = station.retune.status()[0]
    assert (study["study"], study["state"], study["trials"]["running"]) == (left["study"], "open", 0)
    trained = station.retune.trainings()  # not earlier: what was on its way to a worker may still begin
    retry = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}  # as the UI's button
    station.call("POST", f"flow_runs/{run}/set_state", retry)
    station.wait_for(run, {"RUNNING"})
    assert station.wait_for(run)["state_type"] == "COMPLETED"
    after = station.retune.status()[0]
    assert (after["study"], after["trials"]["completed"]) == (left["study"], 8)
    assert station.retune.trainings() - trained <= (8 - left["trials"]["completed"]) + 1


def test_a_schedule_really_starts_flow_runs(station):
    """Clean-up is due every minute here, and the tests before this one took longer than that."""
    wanted = {
        "flow_runs": {"tags": {"all_": ["auto-scheduled", "clean-up"]}, "state": {"type": {"any_": ["COMPLETED"]}}}
    }
    wait_until(lambda: station.call("POST", "flow_runs/filter", wanted), "a clean-up that its schedule started")


def lease_holder(station: Station) -> int:
    return int(json.loads((station.retune.home / "leases" / "FAQ_ranker.json").read_text())["pid"])


def test_the_kinds_of_block_that_hold_credentials_are_offered_in_the_ui(station):
    kinds = {kind["slug"] for kind in station.call("POST", "block_types/filter", {})}
    assert kinds >= {"retuner-blob-sas", "azure-blob-storage-credentials", "azureml-credentials"}
