"""Puts a plan together: asks for the price, for earlier trials and for the workspace's quota what it is not told."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retuner.cost.estimates import Durations, Estimate, from_earlier_studies, from_trial, told
from retuner.cost.limits import check_cost, limits, rates
from retuner.cost.plan import Plan
from retuner.cost.prices import Price, find_price, given_price, vcpus
from retuner.errors import RetryableError, UserError
from retuner.parameters import AzureMlCompute, DaskCompute, Parameters
from retuner.parameters.nodes import ALL_WORKERS, nodes_wanted
from retuner.settings import Settings
from retuner_training.redaction import redact

if TYPE_CHECKING:  # each takes long to import, and most plans need none of them
    from retuner.cost.workspace import WorkspaceFacts
    from retuner.search.ledger import Ledger
    from retuner_training.recipe import Recipe


@dataclass(frozen=True)
class Told:
    """What a person tells, so that it need not be found out. Seconds are of one node or one training."""

    nodes: int | None = None
    region: str | None = None
    trial_seconds: float | None = None
    retrain_seconds: float | None = None
    startup_seconds: float | None = None


@dataclass(frozen=True)
class Sources:
    """Where the rest comes from; each is called only where it is needed."""

    recipe: Callable[[], "Recipe"]
    ledger: Callable[[], "Ledger"]
    probe: Callable[[], Durations] | None
    """Tells what no earlier study of the same data does; None where that is not wanted."""
    workspace: "WorkspaceFacts | None"
    """What the Azure ML workspace says; None where there is none at hand."""


def make_plan(parameters: Parameters, settings: Settings, sources: Sources, told_: Told, *, is_strict: bool) -> Plan:
    """The plan of one retune. Raises UserError where the budget cannot be kept.

    `is_strict`: also where no price can be had, with the names that are near a size or region that is unknown, and
    where a probe fails; otherwise a note says so.
    """
    compute, budget, workspace = parameters.compute, parameters.budget, sources.workspace
    notes = list(workspace.notes) if workspace else []
    price = None
    try:
        price = _price(parameters, settings, told_.region or (workspace.region if workspace else None))
    except UserError as problem:
        if is_strict:
            raise
        notes.append(redact(str(problem)))
    is_low = isinstance(compute, AzureMlCompute) and compute.low_priority
    known = rates(parameters, price, startup_seconds=told_.startup_seconds)
    check_cost(budget, known)
    trials = _trials(parameters, sources)
    nodes = min(told_.nodes or nodes_wanted(parameters), trials, parameters.search.parallel or ALL_WORKERS)
    if isinstance(compute, DaskCompute) and compute.address and not (compute.nodes or told_.nodes):
        notes.append(f"The workers of the scheduler were not counted: {nodes} are assumed, one a trial.")
    if price is None:
        notes.append("No price of a node is known, so there is none of the retune: give --price-per-hour for one.")
    elif price.note:
        notes.append(price.note)
    if isinstance(compute, AzureMlCompute) and workspace is None:
        notes.append("The quota was not asked: no workspace is named.")
    try:
        durations = _durations(parameters, sources, told_)
    except (RetryableError, UserError) as problem:
        if is_strict:
            raise
        notes.append(redact(str(problem)))  # it may hold what a person's recipe has raised
        durations = _durations(parameters, replace(sources, probe=None), told_)
    return Plan(
        trials=trials,
        nodes=nodes,
        durations=durations,
        rates=known,
        price=price,
        low_priority=is_low,
        limits=limits(budget),
        max_cost=budget.max_cost,
        max_minutes=budget.max_minutes,
        vcpus_per_node=_vcpus(compute, workspace),
        quota=workspace.quota if workspace else None,
        notes=tuple(notes),
    )


def _price(parameters: Parameters, settings: Settings, region: str | None) -> Price | None:
    """The price of a node: told, or Azure's; none on Dask."""
    compute, budget = parameters.compute, parameters.budget
    if budget.price_per_hour is not None:
        return given_price(budget.price_per_hour)
    if isinstance(compute, DaskCompute):
        if region is not None:
            raise UserError(f"The region '{region}' has prices of Azure's nodes only: add --vm-size, or leave it away.")
        return None
    if region is None:
        raise UserError(
            f"The price of {compute.vm_size} depends on the region, and no workspace tells it: add --region, such as "
            f"eastus2, or --price-per-hour."
        )
    return find_price(compute.vm_size, region, settings)


def _trials(parameters: Parameters, sources: Sources) -> int:
    """How many trials there will be at most: a grid may be smaller than what is asked for."""
    search = parameters.search
    if search.sampler != "grid":
        return search.trials
    from retuner.search.draws import planned_trials
    from retuner.search.space import validate_space

    space = validate_space(sources.recipe().search_space, search.space)
    return planned_trials(space, search.sampler, search.trials)


def _durations(parameters: Parameters, sources: Sources, told_: Told) -> Durations:
    trial = told(told_.trial_seconds) if told_.trial_seconds is not None else None
    retrain = told(told_.retrain_seconds) if told_.retrain_seconds is not None else None
    if trial is not None:
        return Durations(trial, retrain or from_trial(trial))
    found = from_earlier_studies(sources.ledger(), parameters)
    if found is None and sources.probe is not None:
        found = sources.probe()
    if found is None:
        found = from_earlier_studies(sources.ledger(), parameters, other_data=True) or _bound(parameters)
    return Durations(found.trial, retrain or found.retrain)


def _bound(parameters: Parameters) -> Durations:
    bound, basis = limits(parameters.budget), "the most that it may take: neither an earlier study nor a probe tells"
    return Durations(Estimate(bound.trial, basis, is_bound=True), Estimate(bound.final, basis, is_bound=True))


def _vcpus(compute: DaskCompute | AzureMlCompute, workspace: "WorkspaceFacts | None") -> int | None:
    if isinstance(compute, DaskCompute):
        return None
    return (workspace and workspace.cores) or vcpus(compute.vm_size)
