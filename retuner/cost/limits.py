"""What the budget's parameters leave to each job, and whether there is room for one trial at all."""

import math
from dataclasses import dataclass

from retuner.compute.azure_ml_requests import START_ALLOWANCE
from retuner.compute.dask_limits import STOP_ALLOWANCE
from retuner.cost.prices import Price, given_price
from retuner.cost.purse import Purse
from retuner.cost.spending import Rates
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, Budget, DaskCompute, Parameters
from retuner.parameters.nodes import nodes_kept

STARTUP_SECONDS = 300.0
"""From a job that waits to a node of Azure ML that works on it: an assumption, which `retune plan` lets you change."""
SPARE_SECONDS = 60.0
"""What `max_minutes` keeps for jobs that do not stop at once."""


@dataclass(frozen=True)
class Limits:
    """Seconds that jobs may take, so that the whole retune stays within `max_minutes`."""

    trial: float
    final: float
    is_final_halved: bool = False
    """Whether `max_minutes` leaves less to the final training than `seconds_final` allows."""
    search: float | None = None
    """From the beginning of the retune; then no trial is started and live ones are stopped."""


def limits(budget: Budget) -> Limits:
    """The budget as it binds jobs. Raises UserError where `max_minutes` leaves no time for a trial.

    The final training may take `seconds_final`, and at most half of the whole: what is kept for it is never more than
    what is left for the search.
    """
    if budget.max_minutes is None:
        return Limits(trial=budget.seconds_per_trial, final=budget.seconds_final)
    whole = 60 * budget.max_minutes
    final = min(budget.seconds_final, whole / 2)
    search = whole - final - SPARE_SECONDS
    if search <= 0:
        least = math.floor(2 * SPARE_SECONDS / 60) + 1
        raise UserError(
            f"budget.max_minutes = {budget.max_minutes:g} is below one trial: of its minutes {final / 60:.2g} are kept "
            f"for the final training and {SPARE_SECONDS / 60:g} for stopping, which leaves none. Set it to {least} or "
            f"more."
        )
    is_halved = final < budget.seconds_final
    return Limits(trial=min(budget.seconds_per_trial, search), final=final, is_final_halved=is_halved, search=search)


def rates(parameters: Parameters, price: Price | None, *, startup_seconds: float | None = None) -> Rates:
    """What nodes cost there. On Dask they are up anyway, so that no start and no idle time is counted."""
    compute, bound = parameters.compute, limits(parameters.budget)
    if not isinstance(compute, AzureMlCompute):
        return Rates(
            usd_per_hour=None if price is None else price.dedicated,
            origin=None if price is None else price.origin,
            startup_seconds=startup_seconds or 0.0,
            idle_seconds=0.0,
            trial_seconds=bound.trial + STOP_ALLOWANCE,
            final_seconds=bound.final + STOP_ALLOWANCE,
        )
    return Rates(
        usd_per_hour=None if price is None else price.usd_per_hour(low_priority=compute.low_priority),
        origin=None if price is None else price.origin,
        startup_seconds=STARTUP_SECONDS if startup_seconds is None else startup_seconds,
        idle_seconds=float(compute.idle_seconds),
        trial_seconds=bound.trial + START_ALLOWANCE,
        final_seconds=bound.final + START_ALLOWANCE,
        moves_after=compute.moves_after,
        moved_usd_per_hour=None if price is None else price.dedicated,
        kept_nodes=nodes_kept(parameters),
    )


def told_rates(parameters: Parameters) -> Rates:
    """The rates as far as they are known without asking anybody for a price."""
    usd = parameters.budget.price_per_hour
    return rates(parameters, None if usd is None else given_price(usd))


def check_budget(parameters: Parameters) -> None:
    """Raise UserError where the budget is below one trial, as far as that is known without asking for a price."""
    compute, budget = parameters.compute, parameters.budget
    if budget.price_per_hour is not None or isinstance(compute, DaskCompute):
        check_cost(budget, told_rates(parameters))


def check_cost(budget: Budget, known: Rates) -> None:
    """Raise UserError where `max_cost` cannot be kept: no price is known, or one trial could cost more."""
    if budget.max_cost is None:
        return
    if known.usd_per_hour is None:
        raise UserError(
            f"budget.max_cost = {budget.max_cost:g} cannot be kept, because the price of a node is not known: give it "
            f"in budget.price_per_hour, or leave max_cost away."
        )
    if budget.price_per_hour is not None and known.moves_after is not None:
        raise UserError(
            f"budget.max_cost = {budget.max_cost:g} cannot be kept: budget.price_per_hour = {budget.price_per_hour:g} "
            f"is one price, and jobs may move to the nodes of compute.dedicated_cluster, which cost another. Leave "
            f"price_per_hour away for list prices, or dedicated_cluster."
        )
    committed = Purse(known, budget.max_cost).committed([1])
    usd, parts = committed.usd or 0.0, committed.usage
    if usd > budget.max_cost:
        raise UserError(
            f"budget.max_cost = {budget.max_cost:g} USD is below one trial: at worst a trial takes "
            f"{_hours(parts.work)} node hours, the final training {_hours(parts.retrain)}, and start-up and idle "
            f"time {_hours(parts.startup + parts.idle)}, which is {usd:.2f} USD at {known.usd_per_hour:g} an hour. "
            f"Raise it, or lower budget.seconds_per_trial or budget.seconds_final."
        )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2g}"
