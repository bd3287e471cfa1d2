"""Stage 0: plan. What the retune is expected to take, before it takes anything."""

from dataclasses import asdict

from retuner.compute.snapshot import make_snapshot
from retuner.cost.estimates import Durations, as_planned
from retuner.cost.plan import Plan
from retuner.cost.planning import Sources, Told, make_plan
from retuner.cost.spending import study_rates
from retuner.cost.workspace import WorkspaceFacts
from retuner.parameters import AzureMlCompute
from retuner.search.entries import CLOCK, PLAN, RATES
from retuner.search.records import now
from retuner.stages.budget import worked_before
from retuner.stages.study import Study, study_identity
from retuner.workbench import Workbench


def plan_retune(bench: Workbench) -> Plan:
    """The plan from earlier studies, else from one probe trial, else of the most that a trial may take.

    Raises UserError where the budget is below one trial, Interrupted where the flow run is asked to stop. A price that
    cannot be had is no fault, unless max_cost needs one, and neither is a probe that fails.
    """
    sources = Sources(
        recipe=lambda: bench.recipe,
        ledger=lambda: bench.ledger,
        probe=(lambda: _probe(bench)) if bench.parameters.budget.probe else None,
        workspace=_ask_workspace(bench),
    )
    return make_plan(bench.parameters, bench.settings, sources, Told(), is_strict=False)


def note_plan(bench: Workbench, study: Study, plan: Plan) -> None:
    """Write into the study what it is expected to take, at which prices, and since when this process works on it."""
    record = bench.ledger.study(study.name)
    worked = worked_before(record, bench.ledger.trials(study.name))
    rates = plan.rates.continuing(study_rates(record), since=now().timestamp())
    bench.ledger.write_stage(study.name, RATES, asdict(rates))
    bench.ledger.write_stage(study.name, CLOCK, {"since": bench.opened.isoformat(), "seconds": worked})
    if PLAN not in record.stages:
        bench.ledger.write_stage(study.name, PLAN, plan.to_dict())


def _probe(bench: Workbench) -> Durations:
    """As the study was planned that will go on, else as a probe tells."""
    from retuner.cost.probe import probed

    snapshot = make_snapshot(bench.parameters.recipe, bench.settings.home / "snapshots")
    identity = study_identity(bench, bench.dataset, snapshot)
    study = bench.ledger.study_to_continue(identity, bench.parameters.model_name)
    if study is not None and PLAN in study.stages:
        return as_planned(study.stages[PLAN])
    return probed(bench.parameters, bench.recipe, bench.dataset, bench.ledger, check_stop=bench.check_stop)


def _ask_workspace(bench: Workbench) -> WorkspaceFacts | None:
    compute = bench.parameters.compute
    if not isinstance(compute, AzureMlCompute):
        return None
    from retuner.cost.workspace import ask_workspace

    return ask_workspace(compute, bench.azure_ml_identity)
