"""A plan as people read it: a table of its parts, and sentences on what the figures rest on."""

from retuner.cost.plan import Plan
from retuner.cost.prices import Price
from retuner.cost.spending import rounded

PARTS = {
    "work": "trials",
    "retrain": "final training",
    "startup": "start of nodes",
    "idle": "idle nodes at the end",
    "total": "total",
}


def plan_rows(plan: Plan) -> list[dict[str, object]]:
    """One row a part, the total last."""
    parts = plan.bill.document()
    hours = {name: {"part": words, "node hours": parts[name]["node_hours"]} for name, words in PARTS.items()}
    return [{**row, **_usd(parts[name])} for name, row in hours.items()]


def plan_lines(plan: Plan) -> list[str]:
    """One sentence or two on each thing that a person asks of a plan. Figures are estimates unless they say at most."""
    trials, nodes = _count(plan.trials, "trial"), _count(plan.nodes, "node")
    minutes = _short(plan.minutes)
    lines = [
        f"{trials} on {nodes}: "
        + (f"at most {minutes} minutes." if plan.is_bound else f"about {minutes} minutes, an estimate."),
        *_ends_earlier(plan),
    ]
    for what, estimate in (("A trial", plan.durations.trial), ("The final training", plan.durations.retrain)):
        lines.append(f"{what} takes {_short(estimate.seconds)} s ({estimate.basis}).")
    if plan.price is not None:
        lines.append(price_line(plan.price, low_priority=plan.low_priority))
    return [*lines, *plan.notes, *_budget(plan), *_nodes(plan), *_alternatives(plan), _bound(plan), *_vcpus(plan)]


def beside_plan(
    actual: dict[str, float | None], plan: dict[str, float | None] | None, *, is_bound: bool, origin: str | None
) -> str:
    """Totals of a usage, in money where a price is known; `is_bound` is the plan's, `origin` that of the rates."""
    unit, words = ("node_hours", "node hours") if actual["usd"] is None else ("usd", "USD")
    at_most = "at most " if is_bound else ""
    planned = "" if plan is None or plan[unit] is None else f", planned {at_most}{plan[unit]:g}"
    return f"{actual[unit]:g} {words}{planned} ({estimates(origin if unit == 'usd' else None)})"


def estimates(origin: str | None) -> str:
    """What figures of a study are: nobody has an invoice yet, and start and idle time are computed."""
    return "estimates" if origin is None else f"estimates at the {origin}"


def _usd(part: dict[str, float | None]) -> dict[str, object]:
    return {} if part["usd"] is None else {"USD": part["usd"]}


def price_line(price: Price, *, low_priority: bool) -> str:
    """What a node costs, and where that was read."""
    usd = f"{price.usd_per_hour(low_priority=low_priority):g} USD"
    if price.vm_size is None:
        return f"A node costs {usd} an hour ({price.origin})."
    kind = "low priority" if low_priority else "dedicated"
    is_unlisted = low_priority and price.low_priority_is_estimate
    return (
        f"A node costs {usd} an hour: {price.vm_size}, {kind}, Linux, in {price.region}; {price.origin}, from the "
        f"{price.source}."
        + (" The low-priority price is not listed: the dedicated one is used." if is_unlisted else "")
    )


def shown(figure: object) -> str:
    """A figure of a table: hundredths, and of what is less than one that it is not nothing."""
    if not isinstance(figure, int | float):
        return str(figure)
    return "< 0.01" if 0 < figure < 0.01 else f"{figure:.2f}"


def precise(figure: float | None) -> str:
    """A figure of what may have cost next to nothing, without powers of ten; empty where there is none."""
    if figure is None:
        return ""
    return "< 0.0001" if 0 < figure < 0.0001 else f"{rounded(figure):g}"


def _ends_earlier(plan: Plan) -> list[str]:
    """How many trials the budget bears, where the table's figures are those of more."""
    if plan.fits.trials >= plan.trials:
        return []
    return [
        f"The budget ends the search after {'at least' if plan.is_bound else 'about'} {plan.fits.trials} of the "
        f"{_count(plan.trials, 'trial')}, and the table is that of them all: one is started only where it and the "
        f"final training may take their longest."
    ]


def _budget(plan: Plan) -> list[str]:
    """Whether what is expected stays within the limits, and whether all trials do."""
    fits, lines = plan.fits, []
    expected = "at most" if plan.is_bound else "expected"
    if fits.cost is not None:
        within = "within" if fits.cost else "more than"
        total = plan.bill.document()["total"]["usd"]
        lines.append(f"The {total:g} USD that are {expected} are {within} max_cost = {plan.max_cost:g} USD.")
    if plan.max_minutes is not None:
        within = "within" if plan.minutes <= plan.max_minutes else "more than"
        minutes = _short(plan.minutes)
        lines.append(f"The {minutes} minutes that are {expected} are {within} max_minutes = {plan.max_minutes:g}.")
    if not plan.is_final_in_time:
        left = _short(plan.limits.final)
        name = "max_minutes leaves" if plan.limits.is_final_halved else "seconds_final allows"
        lines.append(f"The final training would be cut off: budget.{name} {left} s to it. Raise it.")
    if fits.trials == plan.trials and (plan.max_cost is not None or plan.max_minutes is not None):
        lines.append(f"The budget lets {'the trial' if plan.trials == 1 else f'all {plan.trials} trials'} be tried.")
    if plan.trials_at_once < plan.nodes:
        lines.append(f"max_cost = {plan.max_cost:g} USD lets {_count(plan.trials_at_once, 'trial')} run at once.")
    return lines


def _nodes(plan: Plan) -> list[str]:
    """Nodes that are kept up for the study, and dedicated ones that attempts may move to."""
    document, rates, lines = plan.to_dict(), plan.rates, []
    if rates.kept_nodes:
        usd = document["kept_nodes"]["usd_a_day"]
        lines.append(
            f"min_nodes keeps {_count(rates.kept_nodes, 'node')} up while the study lasts, which is counted"
            + ("" if usd is None else f", at {usd:g} USD a day")
            + "; if all of our side dies, that goes on until the clean-up gives them back."
        )
    if rates.moves_after is not None and rates.moved_usd_per_hour is not None:
        lines.append(
            f"A job that is lost moves to dedicated nodes after {_count(rates.moves_after, 'attempt')} and costs "
            f"{rates.moved_usd_per_hour:g} USD an hour there; none is expected here."
        )
    return lines


def _alternatives(plan: Plan) -> list[str]:
    """Low priority nodes, and one node that is kept up."""
    document, lines = plan.to_dict(), []
    priorities, kept = document["priorities"], document["min_nodes_1"]
    if priorities is not None:
        low = priorities["low_priority"]
        why = "an estimate from `up to 80 % off`" if low["is_estimate"] else "list price"
        lines.append(
            f"Dedicated nodes cost {priorities['dedicated']['usd']:g} USD in all, low priority nodes {low['usd']:g} "
            f"({why}); preempted trials are trained again, which comes on top."
        )
    if plan.rates.startup_seconds and kept["saves_usd"] is not None:
        lines.append(
            f"With min nodes = 1 the first trial begins {kept['saves_minutes_before_first_trial']:g} minutes earlier "
            f"and a retune costs {kept['saves_usd']:g} USD less, and the node costs {kept['costs_usd_a_day']:g} USD a "
            f"day, {kept['costs_usd_a_month']:g} a month."
        )
    return lines


def _bound(plan: Plan) -> str:
    bound = plan.to_dict()["if_our_side_dies"]
    money = "" if bound["usd"] is None else f", {bound['usd']:g} USD,"
    kept = "; what min_nodes keeps comes on top" if plan.rates.kept_nodes else ""
    return (
        f"If all of our side dies, at most {bound['node_hours']:g} node hours{money} are used from then on: every job "
        f"carries its maximum duration{kept}."
    )


def _vcpus(plan: Plan) -> list[str]:
    needed = plan.vcpus_needed
    if needed is None:
        return []
    if plan.quota is None:
        return [f"{needed} vCPUs are needed."]
    free = plan.quota.limit - plan.quota.used
    words = "enough" if free >= needed else "too few: ask Azure for more quota, or take fewer nodes"
    return [f"{needed} vCPUs are needed; {free} of a quota of {plan.quota.limit} are free, which is {words}."]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
