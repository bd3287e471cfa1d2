"""Tasks of the costs: the plan at the head of the flow, and at its end what came of it."""

from retuner.cost.plan import Plan
from retuner.stages import budget
from retuner.stages import plan as stages
from retuner.stages.budget import Costs
from retuner.stages.study import Study
from retuner.workbench import Workbench
from tasks.artifacts import write_plan
from tasks.stage import stage


@stage(name="plan", task_run_name="plan")
def plan_retune(bench: Workbench) -> Plan:
    """What the retune is expected to take, as a table for the operator."""
    plan = stages.plan_retune(bench)
    write_plan(bench.parameters.model_name, plan)
    return plan


@stage(name="plan", task_run_name="note-plan")
def note_plan(bench: Workbench, study: Study, plan: Plan) -> None:
    """Write plan and prices into the study."""
    stages.note_plan(bench, study, plan)


@stage(name="plan", task_run_name="settle-costs")
def settle_costs(bench: Workbench, study: Study) -> Costs:
    """What the study has cost, beside its plan."""
    return budget.settle(bench, study)
