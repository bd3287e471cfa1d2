"""The plan of a retune: its arithmetic, and where its figures come from."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from identities import identity
from price_service import meter, price_service
from test_prices import NOBODY, settings_of

from retuner.azure_ml.region import Quota
from retuner.cost.estimates import Durations, Estimate, from_trial
from retuner.cost.planning import Sources, Told, make_plan
from retuner.cost.purse import Purse
from retuner.cost.words import beside_plan, plan_lines, plan_rows
from retuner.cost.workspace import WorkspaceFacts
from retuner.errors import UserError
from retuner.parameters.values import parse_parameters
from retuner.search.ledger import Ledger
from retuner.search.records import Attempt, TrialRecord, now
from retuner.search.states import TrialState

AZURE = {"target": "azure_ml", "vm_size": "Standard_D4_v2", "idle_seconds": 1800}
TOLD = Told(nodes=16, region="eastus2", trial_seconds=177, startup_seconds=300)
IDENTITY = identity()
LISTED = [(0.458, ""), (0.1, " Low Priority")]


class Planner:
    """Plans in a home of its own where no price service answers."""

    def __init__(self, folder: Any, ledger: Ledger) -> None:
        self.settings = settings_of(folder, NOBODY)
        self.ledger = ledger
        self.probed = 0

    def plan(self, told: Told = TOLD, **options: Any) -> dict[str, Any]:
        return self.make(told, **options).to_dict()

    def make(
        self,
        told: Told = TOLD,
        *,
        workspace: WorkspaceFacts | None = None,
        is_strict: bool = True,
        probes: bool = True,
        **groups: Any,
    ) -> Any:
        parameters = parse_parameters({"search": {"trials": 96}, "compute": AZURE, **groups})
        sources = Sources(
            recipe=lambda: pytest.fail("the recipe is not needed"),
            ledger=lambda: self.ledger,
            probe=self._probe if probes else None,
            workspace=workspace,
        )
        return make_plan(parameters, self.settings, sources, told, is_strict=is_strict)

    def study(
        self,
        seconds: list[float],
        *,
        target: str,
        recipe: str = "faq_ranker",
        final: float = 0,
        source: str = "sample",
        pruned: int = 0,
    ) -> str:
        """An earlier study whose trials took so long; the last so many were pruned."""
        identity = replace(IDENTITY, recipe=recipe, seed=len(self.ledger.studies()))
        parameters = parse_parameters({"data": {"source": source}}).model_dump(mode="json")
        study = self.ledger.open_study(identity, "FAQ", trials=len(seconds), parameters=parameters)
        self.ledger.update_study(study.name, target={"target": target})
        states = [TrialState.COMPLETED] * (len(seconds) - pruned) + [TrialState.PRUNED] * pruned
        trials = [
            TrialRecord(n, state, attempts=(Attempt(f"j{n}", state, seconds=held),))
            for n, (held, state) in enumerate(zip(seconds, states, strict=True))
        ]
        self.ledger.write_trials(study.name, trials)
        if final:
            one = {"job": "f", "started": "2026-01-01T00:00:00+00:00", "seconds": final, "usd": None}
            self.ledger.write_stage(study.name, "final-tries", {"tries": [one]})
        return study.name

    def _probe(self) -> Durations:
        self.probed += 1
        probed = Estimate(7.0, "probed")
        return Durations(probed, from_trial(probed))


@pytest.fixture
def planner(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        yield Planner(tmp_path, ledger)


def test_the_reference_task_on_sixteen_nodes(planner):
    plan = planner.plan()
    assert plan["work"] == {"node_hours": 4.72, "usd": 2.16}
    assert plan["idle"] == {"node_hours": 8.0, "usd": 3.66}
    assert plan["startup"] == {"node_hours": 1.33, "usd": 0.61}
    assert plan["retrain"] == {"node_hours": 0.39, "usd": 0.18}  # 8 times a trial
    assert plan["total"] == {"node_hours": 14.45, "usd": 6.62}
    assert plan["minutes"] == round((300 + 6 * 177 + 8 * 177) / 60, 2)
    assert plan["vcpus"] == {"needed": 128, "quota": None}
    assert (plan["price"]["usd_per_hour"], plan["price"]["date"]) == (0.458, "2026-06-18")


def test_a_short_idle_time_makes_the_tail_cheap(planner):
    assert planner.plan(compute={**AZURE, "idle_seconds": 120})["idle"] == {"node_hours": 0.53, "usd": 0.24}


def test_low_priority_is_an_estimate_beside_the_dedicated_price(planner):
    plan = planner.plan()
    assert plan["priorities"] == {"dedicated": {"usd": 6.62}, "low_priority": {"usd": 1.32, "is_estimate": True}}


def test_a_low_priority_price_that_is_not_listed_is_not_guessed_where_money_is_counted(planner):
    plan = planner.make(compute={**AZURE, "low_priority": True})
    assert plan.to_dict()["work"]["usd"] == 2.16
    words = "The low-priority price is not listed: the dedicated one is used."
    assert any(words in line for line in plan_lines(plan))
    assert not any(words in line for line in plan_lines(planner.make()))


def test_one_node_that_is_kept_saves_its_start_and_costs_all_day(planner):
    kept = planner.plan()["min_nodes_1"]
    assert kept["saves_minutes_before_first_trial"] == 5
    assert kept["saves_usd"] == round(2100 / 3600 * 0.458, 2)
    assert (kept["costs_usd_a_day"], kept["costs_usd_a_month"]) == (10.99, 334.34)


def test_spending_is_bounded_also_with_all_of_our_side_dead(planner):
    """The jobs in flight run for their maximum duration, which leaves half an hour beside the training."""
    plan = planner.plan(budget={"seconds_per_trial": 600, "seconds_final": 600})
    assert plan["if_our_side_dies"]["node_hours"] == round(16 * (600 + 1800 + 300 + 1800) / 3600, 2)


def test_max_cost_tells_how_many_trials_may_run_at_once(planner):
    limits = {"seconds_per_trial": 600, "seconds_final": 600, "max_cost": 2.5}
    plan = planner.plan(budget=limits)
    # one trial or the final training at its longest is 0.57 USD on a node of its own
    assert plan["trials_at_once"] == 3
    assert plan["vcpus"]["needed"] == 3 * 8
    assert plan["if_our_side_dies"]["usd"] < 2.5
    assert "max_cost = 2.5 USD lets 3 trials run at once." in plan_lines(planner.make(budget=limits))


def test_nodes_that_are_kept_up_are_in_the_plan_with_what_they_cost_a_day(planner):
    compute = {**AZURE, "idle_seconds": 60, "min_nodes": 3, "max_nodes": 16}
    told = replace(TOLD, retrain_seconds=1000)
    plan, without = planner.make(told, compute=compute), planner.make(told, compute={**compute, "min_nodes": 0})
    # beside the final training two nodes idle until it has ended, and not for a minute alone
    assert plan.usage.idle == without.usage.idle + 2 * (1000 - 60)
    document = plan.to_dict()
    assert document["kept_nodes"] == {"nodes": 3, "usd_a_day": round(3 * 24 * 0.458, 2)}
    assert document["total"]["usd"] > without.to_dict()["total"]["usd"]
    assert any("min_nodes keeps 3 nodes up" in line and "32.98 USD a day" in line for line in plan_lines(plan))
    assert not any("min_nodes keeps" in line for line in plan_lines(without))


MOVING = {**AZURE, "low_priority": True, "dedicated_cluster": "dedicated", "dedicated_after": 3}


def test_attempts_that_may_move_to_dedicated_nodes_are_told_with_their_price(planner):
    with price_service([meter("Standard_D4_v2", "eastus2", usd, kind=kind) for usd, kind in LISTED]) as service:
        planner.settings = settings_of(planner.settings.home.parent, service.url)
        plan, stays = planner.make(compute=MOVING), planner.make(compute={**MOVING, "dedicated_cluster": None})
    assert (plan.rates.usd_per_hour, plan.rates.moved_usd_per_hour, plan.rates.moves_after) == (0.1, 0.458, 3)
    assert stays.rates.moves_after is None
    assert plan.to_dict()["work"] == {"node_hours": 4.72, "usd": 0.47}
    bounds = [one.to_dict()["if_our_side_dies"]["usd"] for one in (plan, stays)]
    assert bounds[0] == pytest.approx(4.58 * bounds[1], rel=0.01)
    told = "moves to dedicated nodes after 3 attempts and costs 0.458 USD an hour there"
    assert any(told in line for line in plan_lines(plan))


LETS_ALL = "The budget lets all 96 trials be tried."
BUDGET = {"seconds_per_trial": 200, "seconds_final": 1500}


@pytest.mark.parametrize(
    ("limit", "fits", "words"),
    [
        ({}, {"cost": None, "minutes": None, "trials": 96}, []),
        (
            {"max_cost": 50},
            {"cost": True, "minutes": None, "trials": 96},
            ["6.62 USD that are expected are within", LETS_ALL],
        ),
        (
            # three at once, of which each starts and idles for 0.27 USD: 0.53 are left for trials beside the first
            {"max_cost": 2},
            {"cost": False, "minutes": None, "trials": 24},
            [
                "USD that are expected are more than max_cost = 2 USD.",
                "The budget ends the search after about 24 of the 96 trials, and the table is that of them all:",
            ],
        ),
        (
            {"max_minutes": 60},
            {"cost": None, "minutes": True, "trials": 96},
            ["46 minutes that are expected are within", LETS_ALL],
        ),
        (
            # 51 minutes, less 1500 s and a minute, leave 1500 s: after the start of the nodes six rounds of 177 s
            {"max_minutes": 51},
            {"cost": None, "minutes": True, "trials": 96},
            [],
        ),
        (
            {"max_minutes": 42},
            {"cost": None, "minutes": False, "trials": 80},
            [
                "46 minutes that are expected are more than max_minutes = 42.",
                "budget.max_minutes leaves 1260 s",
                "The budget ends the search after about 80 of the 96 trials, and the table is that of them all:",
            ],
        ),
        (
            {"max_minutes": 600, "seconds_final": 600},
            {"cost": None, "minutes": False, "trials": 96},
            ["The final training would be cut off: budget.seconds_final allows 600 s to it. Raise it."],
        ),
    ],
)
def test_the_plan_says_whether_it_stays_within_the_budget_and_how_many_trials_do(planner, limit, fits, words):
    plan = planner.make(budget={**BUDGET, **limit})
    assert plan.to_dict()["budget"]["fits"] == fits
    lines = plan_lines(plan)
    for word in words:
        assert any(word in line for line in lines), lines
    assert any("that are expected are" in line for line in lines) == bool(limit)
    assert sum("The budget ends the search" in line or line == LETS_ALL for line in lines) == bool(limit)
    assert ("The budget ends the search" in lines[1]) == (fits["trials"] < 96)


def test_as_many_trials_as_the_plan_says_can_be_paid_for(planner):
    """The purse goes on as the plan thought, where every trial takes what was expected of it."""
    plan = planner.make(Told(nodes=1, region="eastus2", trial_seconds=177), budget={**BUDGET, "max_cost": 3})
    purse, began = Purse(plan.rates, plan.max_cost), now() - timedelta(days=1)
    tried = 0
    while purse.bears([1]):
        times = {"started": began, "began": began + timedelta(seconds=300 if tried == 0 else 0)}
        began = times["began"] + timedelta(seconds=177)
        attempt = Attempt(f"j{tried}", TrialState.COMPLETED, seconds=177.0, ended=began, **times)
        purse.account(TrialRecord(tried, TrialState.COMPLETED, attempts=(attempt,)))
        tried += 1
    assert 1 < plan.fits.trials < 96
    assert (
        abs(tried - plan.fits.trials) <= 1 + 2100 // 177
    )  # they ran yesterday, so that the final has a node of its own


def test_a_given_price_is_asked_of_nobody(planner):
    plan = planner.plan(Told(nodes=16, trial_seconds=177), budget={"price_per_hour": 2})
    assert (plan["price"]["source"], plan["work"]["usd"]) == ("given", 9.44)
    assert plan["notes"] == ["The quota was not asked: no workspace is named."]


def test_on_dask_there_are_minutes_and_no_price(planner):
    plan = planner.plan(Told(nodes=4, trial_seconds=60, retrain_seconds=120), compute={})
    assert plan["minutes"] == 24 + 2
    assert plan["total"] == {"node_hours": 1.63, "usd": None}
    assert plan["price"] is None
    assert (plan["startup"]["node_hours"], plan["idle"]["node_hours"]) == (0, 0)
    assert any("--price-per-hour" in note for note in plan["notes"])


def test_the_most_that_is_reserved_on_dask_has_the_minute_that_stopping_a_job_may_take(planner):
    """A training that never reports holds its worker for half a minute of grace, and for another until its restart."""
    limits = {"price_per_hour": 360, "seconds_per_trial": 100, "seconds_final": 200}
    longest = (100 + 60 + 200 + 60) / 10
    told = Told(nodes=4, trial_seconds=60)
    enough = planner.make(told, compute={}, budget={**limits, "max_cost": longest + 0.1})
    assert (enough.trials_at_once, enough.bound) == (1, 200 + 60)
    with pytest.raises(UserError, match=r"max_cost = 41\.9 USD is below one trial"):
        planner.make(told, compute={}, budget={**limits, "max_cost": longest - 0.1})


def test_earlier_studies_of_the_recipe_tell_how_long_trials_take(planner):
    planner.study([100.0], target="azure_ml", recipe="tabular")
    name = planner.study([10.0, 30.0], target="azure_ml", final=55.0)
    planner.study([1.0], target="dask")
    plan = planner.plan(replace(TOLD, trial_seconds=None))
    mean = {"seconds": 20.0, "basis": f"mean of 2 trials of {name}", "is_bound": False}
    assert plan["trial_seconds"] == mean
    assert (plan["retrain_seconds"]["seconds"], plan["is_bound"]) == (55.0, False)
    assert plan["retrain_seconds"]["basis"] == f"the final training of {name}"
    assert planner.probed == 0


def test_trials_that_were_stopped_early_tell_only_of_a_search_that_stops_them(planner):
    name = planner.study([30.0, 6.0, 3.0], target="azure_ml", pruned=2)
    untold = replace(TOLD, trial_seconds=None)
    mean = planner.plan(untold)["trial_seconds"]
    assert (mean["seconds"], mean["basis"]) == (13.0, f"mean of 3 trials of {name}, 2 of them stopped early")
    whole = planner.plan(untold, search={"stopping": "none"})["trial_seconds"]
    assert (whole["seconds"], whole["basis"]) == (30.0, f"mean of 1 trials of {name}")


def test_another_target_is_better_than_none_and_a_probe_is_the_last_resort(planner):
    assert planner.plan(replace(TOLD, trial_seconds=None))["trial_seconds"]["basis"] == "probed"
    planner.study([1.0], target="dask")
    assert planner.plan(replace(TOLD, trial_seconds=None))["trial_seconds"]["seconds"] == 1.0
    assert planner.probed == 1


def test_a_study_of_other_data_tells_only_where_no_probe_does_and_the_plan_says_of_which(planner):
    name = planner.study([1.0], target="azure_ml", source="/data/old", final=9.0)
    untold = replace(TOLD, trial_seconds=None)
    assert planner.plan(untold)["trial_seconds"]["basis"] == "probed"
    plan = planner.plan(untold, probes=False)
    on_other = f"on other data ({IDENTITY.dataset} of /data/old)"
    assert plan["trial_seconds"]["basis"] == f"mean of 1 trials of {name}, {on_other}"
    assert plan["retrain_seconds"]["basis"] == f"the final training of {name}, {on_other}"
    same = planner.plan(untold, data={"source": "/data/old"})
    assert same["trial_seconds"]["basis"] == f"mean of 1 trials of {name}"
    assert planner.probed == 1


def test_where_nothing_tells_the_plan_is_a_bound_and_says_so(planner):
    plan = planner.make(Told(nodes=2), probes=False, search={"trials": 4}, compute={}, budget={"seconds_per_trial": 90})
    assert plan.to_dict()["is_bound"]
    assert plan.usage.work == 4 * 90
    assert plan_lines(plan)[0].startswith("4 trials on 2 nodes: at most ")
    total = plan.to_dict()["total"]
    spent = beside_plan({"node_hours": 0.01, "usd": None}, total, is_bound=True, origin=None)
    assert spent == f"0.01 node hours, planned at most {total['node_hours']:g} (estimates)"


def test_what_a_recipe_raised_while_a_plan_was_made_is_noted_without_its_secrets(planner, monkeypatch):
    def raises() -> Durations:
        raise UserError("It raised OSError: postgresql://me:hunter2@db/x is away.")

    monkeypatch.setattr(planner, "_probe", raises)
    plan = planner.make(Told(nodes=2), is_strict=False, compute={})
    assert plan.durations.trial.is_bound
    assert [note for note in plan.notes if "is away" in note]
    assert "hunter2" not in " ".join(plan.notes)


def test_what_was_spent_says_of_which_day_its_price_is(planner):
    plan = planner.make()
    total = plan.to_dict()["total"]
    words = beside_plan({"node_hours": 2.0, "usd": 0.92}, total, is_bound=False, origin=plan.rates.origin)
    assert words == "0.92 USD, planned 6.62 (estimates at the list price of 2026-06-18)"
    given = planner.make(budget={"price_per_hour": 2})
    assert given.rates.origin == f"price given on {now().date()}"
    assert f"A node costs 2 USD an hour ({given.rates.origin})." in plan_lines(given)


def test_the_quota_of_a_workspace_is_beside_what_is_needed(planner):
    facts = WorkspaceFacts("westeurope", 8, Quota("Total", limit=100, used=20))
    plan = planner.make(replace(TOLD, region=None), workspace=facts)
    assert plan.price.region == "westeurope"
    assert plan.to_dict()["vcpus"]["quota"] == {"name": "Total", "limit": 100, "used": 20}
    assert any("80 of a quota of 100 are free, which is too few" in line for line in plan_lines(plan))


def test_the_table_ends_with_the_total(planner):
    rows = plan_rows(planner.make())
    assert [row["part"] for row in rows][-1] == "total"
    assert rows[0] == {"part": "trials", "node hours": 4.72, "USD": 2.16}
    assert "USD" not in plan_rows(planner.make(Told(trial_seconds=1), compute={}))[0]


def test_a_flow_goes_on_without_a_price_and_says_why(planner):
    plan = planner.make(replace(TOLD, region="eastus9"), is_strict=False)
    assert plan.price is None
    assert any("similar names: eastus" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("told", "groups", "words"),
    [
        (replace(TOLD, region=None), {}, "add --region"),
        (replace(TOLD, region="eastus9"), {}, "similar names: eastus, eastus2"),
        (TOLD, {"compute": {}}, "add --vm-size"),
        (TOLD, {"budget": {"max_cost": 1}}, "budget.max_cost = 1 USD is below one trial"),
        (replace(TOLD, region=None), {"compute": {}, "budget": {"max_cost": 1}}, "price of a node is not known"),
        (TOLD, {"budget": {"max_minutes": 2}}, "budget.max_minutes = 2 is below one trial"),
        (
            TOLD,
            {"compute": MOVING, "budget": {"max_cost": 99, "price_per_hour": 0.1}},
            "price_per_hour = 0.1 is one price",
        ),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(planner, told, groups, words):
    with pytest.raises(UserError) as caught:
        planner.plan(told, **groups)
    assert words in str(caught.value)
