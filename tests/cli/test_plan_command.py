"""`retune plan` as a person gives it: exact figures, the dated table without the service, and nothing started."""

import json

import psutil
import pytest
from price_service import meter, price_service
from retune_command import Retune, wait_until

SIZE = ("--vm-size", "Standard_D4_v2", "--region", "eastus2")
TASK = ("plan", "--trials", "96", "--nodes", "16", *SIZE, "--trial-seconds", "177", "--startup-seconds", "300")


@pytest.fixture
def alone(tmp_path) -> Retune:
    """The command without a Prefect server and without a price service."""
    retune = Retune(tmp_path)
    retune.environment["RETUNER_PRICES_URL"] = "http://127.0.0.1:9/prices"
    return retune


def plan_of(retune: Retune, *arguments: str) -> dict:
    done = retune(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("idle", "hours", "usd"), [("1800", 8.0, 3.66), ("120", 0.53, 0.24)])
def test_the_reference_task_costs_what_the_table_says(alone, idle, hours, usd):
    plan = plan_of(alone, *TASK, "--idle-seconds", idle)
    assert plan["work"] == {"node_hours": 4.72, "usd": 2.16}
    assert plan["idle"] == {"node_hours": hours, "usd": usd}
    assert plan.keys() >= {"work", "retrain", "startup", "idle", "total"}
    assert (plan["price"]["date"], plan["price"]["source"]) == ("2026-06-18", "table in the repository")
    assert len([note for note in plan["notes"] if "price service cannot be reached" in note]) == 1
    assert not alone.home.exists(), "a plan leaves nothing behind"


def test_people_get_a_table_and_the_date_of_the_prices(alone):
    done = alone(*TASK, "--idle-seconds", "1800")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    for part in ("trials 4.72 2.16", "idle nodes at the end 8.00 3.66", "list price of 2026-06-18", "estimate"):
        assert part in words
    assert words.count("price service cannot be reached") == 1


def test_the_service_is_asked_once_and_only_where_a_price_is_needed(alone):
    with price_service([meter("Standard_D4_v2", "eastus2", 1.0)]) as service:
        alone.environment["RETUNER_PRICES_URL"] = service.url
        plan_of(alone, "plan", "--trial-seconds", "9")
        plan_of(alone, *TASK, "--price-per-hour", "2")
        assert service.queries == []
        assert plan_of(alone, *TASK)["work"]["usd"] == 4.72
        assert plan_of(alone, *TASK)["price"]["source"] == "Azure Retail Prices API"
        assert len(service.queries) == 1


def test_one_probe_trial_tells_what_no_earlier_study_does(alone):
    toy = ("--recipe", "toy_recipe.recorded:recipe", "--space", json.dumps({"steps": 4, "delay": 0.1, "fails_at": 0}))
    plan = plan_of(alone, "plan", "--trials", "4", "--nodes", "2", *toy)
    assert plan["trial_seconds"]["basis"] == "one probe trial on this machine"
    assert plan["trial_seconds"]["seconds"] >= 0.4
    assert alone.trainings() == 1
    assert not list(alone.home.glob("prefect/*")), "nothing is started"
    failing = alone("plan", "--recipe", "toy_recipe.recorded:recipe", "--space", json.dumps({"fails_at": 1}))
    assert failing.returncode == 1
    assert "The probe trial failed (ArithmeticError: step 1 went wrong)" in failing.stderr


def test_a_probe_ends_though_the_plan_is_killed(alone):
    """Its reports cannot be received any more."""
    space = json.dumps({"steps": 10_000, "delay": 0.1, "fails_at": 0})
    planning = alone.start("plan", "--recipe", "toy_recipe.recorded:recipe", "--space", space)
    wait_until(lambda: alone.trainings() == 1, "the probe")
    (probe,) = psutil.Process(planning.pid).children()
    planning.kill()
    planning.communicate(timeout=60)
    probe.wait(timeout=30)


def test_the_recipe_is_looked_at_before_anything_is_said_or_asked(alone):
    with price_service([meter("Standard_D4_v2", "eastus2", 1.0)]) as service:
        alone.environment["RETUNER_PRICES_URL"] = service.url
        for arguments in (("plan",), TASK):
            done = alone(*arguments, "--recipe", "no_such_recipe")
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
            assert "There is no recipe 'no_such_recipe'" in done.stderr
        assert service.queries == []


def test_small_figures_are_not_shown_as_nothing(alone):
    small = ("plan", "--trials", "2", "--nodes", "1", "--trial-seconds", "3", "--retrain-seconds", "400")
    rows = [line.split() for line in alone(*small, "--price-per-hour", "0.05").stdout.splitlines()]
    assert rows[1] == ["trials", "<", "0.01", "<", "0.01"]
    assert rows[2] == ["final", "training", "0.11", "<", "0.01"]
    assert rows[3] == ["start", "of", "nodes", "0.00", "0.00"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*TASK, "--region", "eastus22"), "similar names: eastus2"),
        ((*TASK, "--vm-size", "Standard_D44_v2"), "similar names: Standard_D4_v2"),
        (("plan", "--vm-size", "Standard_D4_v2"), "add --region"),
        (("plan", "--region", "eastus2"), "add --vm-size"),
        ((*TASK, "--trial-seconds", "-1"), "--trial-seconds is -1: give more than 0"),
        ((*TASK, "--nodes", "0"), "--nodes is 0: give more than 0"),
        ((*TASK, "--startup-seconds", "-3"), "--startup-seconds is -3: give 0 or more"),
        ((*TASK, "--trial-seconds", "nan"), "--trial-seconds is nan: give more than 0"),
        ((*TASK, "--idle-seconds", "-3"), "compute.idle_seconds (--idle-seconds) = -3"),
        ((*TASK, "--trials", "-5"), "search.trials (--trials) = -5"),
        ((*TASK, "--price-per-hour", "-5"), "budget.price_per_hour (--price-per-hour) = -5"),
        ((*TASK, "--max-cost", "0.5"), "budget.max_cost (--max-cost) = 0.5 USD is below one trial"),
        (("run", "--max-cost", "5"), "the price of a node is not known"),
        (
            ("run", "--max-cost", "1", "--price-per-hour", "1"),
            "budget.max_cost (--max-cost) = 1 USD is below one trial",
        ),
        (("run", "--max-cost", "-1"), "budget.max_cost (--max-cost) = -1"),
        (("run", "--max-minutes", "1"), "budget.max_minutes (--max-minutes) = 1 is below one trial"),
        (("run", "--minutes", "5"), "unrecognized arguments"),
    ],
)
def test_what_cannot_be_planned_or_kept_is_one_sentence(alone, arguments, words):
    done = alone(*arguments)
    assert done.returncode == (2 if "unrecognized" in words else 1)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert words in last
    assert not list(alone.home.glob("*"))
