"""A study that its budget ends, through the whole flow: what was learnt is kept, and the flow run is Completed."""

import json
import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from azure_ml_emulator import Script
from azure_retune import AzureRetune, emulated
from azure_study import play
from retune_command import Retune, ask_api

from retuner.search.ledger import Ledger


def flow_state(api: str, document: dict) -> dict:
    """The flow run's state as the API shows it."""
    (flow_run,) = ask_api(api, "flow_runs/filter", {"flow_runs": {"id": {"any_": [document["flow_run"]]}}})
    return flow_run["state"]


def trials_of(retune: Retune, document: dict) -> list:
    with Ledger(f"sqlite:///{retune.home / 'ledger.sqlite'}") as ledger:
        return ledger.trials(document["study"])


def stages_of(retune: Retune, document: dict) -> dict:
    with Ledger(f"sqlite:///{retune.home / 'ledger.sqlite'}") as ledger:
        return ledger.study(document["study"]).stages


def assert_kept(retune: Retune, document: dict, *, planned: int) -> None:
    """Trials that ran are in the ledger with what they held, and the best of them is a model version."""
    completed = [trial for trial in trials_of(retune, document) if trial.state == "completed"]
    assert 1 <= document["trials"]["completed"] == len(completed) < planned
    assert all(trial.attempts[-1].seconds > 0 for trial in completed)
    assert document["best"]["value"] == max(trial.value for trial in completed)
    assert document["model"]["version"] == "1"
    assert retune.status()[0]["state"] == "finished"


def test_max_minutes_ends_a_search_on_dask(retune, api):
    minutes, trials = 1.5, 400
    search = retune.search("--max-minutes", str(minutes), "--seconds-final", "5", "--json", trials=trials)
    done = retune(*search)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["seconds"]["total"] < 60 * minutes
    assert_kept(retune, document, planned=trials)
    reason = document["ended_early"]
    assert reason.startswith("The search ended early, at budget.max_minutes = 1.5: ")
    state = flow_state(api, document)
    assert (state["type"], state["name"], state["message"]) == (
        "COMPLETED",
        "Completed",
        f"{reason} The model is promoted: {document['decision']}",
    )
    assert stages_of(retune, document)["search"]["ended_by"] == "minutes"
    cost = document["cost"]
    assert cost["usd_per_hour"] is None
    assert cost["actual"]["work"]["node_hours"] > 0
    assert cost["actual"].keys() == cost["plan"].keys() == {"work", "retrain", "startup", "idle", "total"}
    assert stages_of(retune, document)["cost"] == cost


def long_training(run: Any) -> Script:
    """A training that is over at once, and whose result says that it took 100 s."""
    script = play(run, seconds=0.2)
    files = {
        place: json.dumps({**json.loads(data), "seconds": 100.0}).encode() if place[1].endswith("result.json") else data
        for place, data in script.files.items()
    }
    return replace(script, files=files)


@pytest.fixture
def azure(azurite_https, tmp_path, api):
    """The command on an emulated workspace whose nodes play trainings."""
    with emulated(azurite_https, execute=False, script=long_training) as emulator:
        yield AzureRetune(tmp_path, emulator, azurite_https, api)


@pytest.fixture
def lasting(azurite_https, tmp_path, api):
    """The same with trainings that really last, and with nodes that idle for as long as they are told to."""
    script = partial(play, seconds=3.0)
    with emulated(azurite_https, execute=False, script=script, idle_scale=1.0) as emulator:
        yield AzureRetune(tmp_path, emulator, azurite_https, api)


def up_seconds(azure: AzureRetune) -> float:
    """For how long the emulated nodes were up, once all of them are given back."""
    cluster = azure.emulator.inspect(lambda service: service.clusters["retuner"])
    deadline = time.monotonic() + 120
    while azure.emulator.inspect(lambda service: cluster.nodes):
        assert time.monotonic() < deadline, "its nodes are not given back"
        time.sleep(0.2)
    return cluster.up_seconds()


def test_max_cost_ends_a_search_on_azure_ml(azure, api):
    """At a quarter of a USD a second. A run may take half an hour beside its training: it counts until it has ended."""
    trials, run = 12, 5 + 1800
    max_cost = (300 + run + run + 120 + 25) / 4  # one trial and the final training at their longest, and a little
    budget = {"seconds_per_trial": 5, "seconds_final": 5, "max_cost": max_cost, "price_per_hour": 900}
    document = azure.document(*azure.azure(trials=trials, nodes=4, budget=budget))
    assert_kept(azure, document, planned=trials)
    reason = document["ended_early"]
    assert reason.startswith(f"The search ended early, at budget.max_cost = {max_cost:g}: ")
    state = flow_state(api, document)
    assert (state["type"], state["name"], state["message"]) == (
        "COMPLETED",
        "Completed",
        f"{reason} The model is promoted: {document['decision']}",
    )
    # never more than one: two at their longest are more than the budget
    assert azure.emulator.inspect(lambda service: service.clusters["retuner"].most_running) == 1
    actual = document["cost"]["actual"]
    assert 25 <= actual["total"]["usd"] <= max_cost
    assert up_seconds(azure) / 4 <= actual["total"]["usd"]
    assert actual["work"]["usd"] == pytest.approx(sum(one.usd for one in trials_of(azure, document)), abs=0.01)
    assert actual["retrain"]["usd"] > 0
    artifacts = ask_api(api, "artifacts/filter", {"flow_runs": {"id": {"any_": [document["flow_run"]]}}})
    (plan,) = [one for one in artifacts if one["key"] == "plan-faq-ranker"]
    assert "total" in plan["data"]
    assert document["cost"]["price"].startswith("price given on 20")
    (summary,) = [one for one in artifacts if one["key"] == "summary-faq-ranker"]
    assert f"What it cost: estimates at the {document['cost']['price']}." in summary["data"]


def test_for_as_long_as_nodes_were_up_has_been_counted_and_is_within_max_cost(lasting):
    """At a quarter of a USD a second, with room for two trials at their longest and the final training."""
    run, idle = 5 + 1800, 30
    max_cost = (2 * (300 + run + idle) + run + 60) / 4
    budget = {"seconds_per_trial": 5, "seconds_final": 5, "max_cost": max_cost, "price_per_hour": 900}
    compute = {**lasting.place(nodes=4)["compute"], "idle_seconds": idle}
    document = lasting.document(*lasting.azure(trials=5, nodes=4, budget=budget, compute=compute))
    up = up_seconds(lasting)
    assert up >= 6 * 3 + 2 * idle, "two nodes that worked and idled"
    assert up / 4 <= document["cost"]["actual"]["total"]["usd"] <= max_cost


def test_max_cost_below_one_trial_starts_nothing_on_azure_ml(azure):
    """The price is the table's, since the emulator's network ends at the machine; the workspace tells its region."""
    done = azure(*azure.azure(trials=4, nodes=2, budget={"max_cost": 0.01}))
    assert done.returncode == 1
    assert "budget.max_cost = 0.01 USD is below one trial" in done.stderr.strip().splitlines()[-1]
    assert azure.emulator.inspect(lambda service: list(service.state.runs)) == []
    assert azure.emulator.inspect(lambda service: list(service.clusters)) == []
    assert azure.status() == []


def test_a_plan_asks_the_workspace_for_region_and_quota(azure):
    arguments = azure.azure(trials=8, nodes=4)
    plan = azure.document("plan", *arguments[1:], "--trial-seconds", "60")
    settings = azure.emulator.settings
    assert plan["price"]["region"] == settings.location
    assert plan["vcpus"]["needed"] == 4 * 8
    assert plan["vcpus"]["quota"]["limit"] == settings.quota_cores
    assert azure.emulator.inspect(lambda service: list(service.clusters)) == []
