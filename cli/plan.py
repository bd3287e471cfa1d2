"""`retune plan`: what a retune will take in minutes and money. No node is started."""

import argparse
import json
import math
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from cli import arguments
from cli.credentials import azure_ml_identity
from cli.output import show
from cli.progress import show_lines
from retuner.cost.plan import Plan
from retuner.cost.planning import Sources, Told, make_plan
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, DaskCompute, Parameters
from retuner.parameters.values import parse_parameters
from retuner.settings import Settings, read_settings

if TYPE_CHECKING:
    from retuner.cost.estimates import Durations
    from retuner.cost.workspace import WorkspaceFacts
    from retuner.search.ledger import Ledger
    from retuner_training.recipe import Recipe

ABOVE_ZERO = ("nodes", "trial_seconds", "retrain_seconds")


def execute(options: argparse.Namespace) -> int:
    """Print the plan."""
    settings = read_settings()
    known = _told(options)
    parameters = parse_parameters(arguments.read_parameters(options, {}))
    recipe = _find_recipe(parameters)
    with ExitStack() as opened:
        sources = _sources(parameters, recipe, settings, known, opened)
        plan = make_plan(parameters, settings, sources, known, is_strict=True)
    if options.json:
        show(json.dumps(plan.to_dict()))
    else:
        _print(plan)
    return 0


def _told(options: argparse.Namespace) -> Told:
    known = Told(**{name: getattr(options, name) for name in Told.__dataclass_fields__})
    for name, value in vars(known).items():
        if not isinstance(value, int | float):
            continue
        is_fine = math.isfinite(value) and (value > 0 if name in ABOVE_ZERO else value >= 0)
        if not is_fine:
            least = "more than 0" if name in ABOVE_ZERO else "0 or more"
            raise UserError(f"--{name.replace('_', '-')} is {value:g}: give {least}.")
    return known


def _find_recipe(parameters: Parameters) -> "Recipe":
    """The recipe, before anything is asked or tried for it: a plan of one that cannot be tuned would be of no use."""
    from retuner.search.space import validate_space
    from retuner.workbench import find_recipe

    recipe = find_recipe(parameters.recipe)
    validate_space(recipe.search_space, parameters.search.space)
    return recipe


def _sources(parameters: Parameters, recipe: "Recipe", settings: Settings, known: Told, opened: ExitStack) -> Sources:
    @cache
    def ledger() -> "Ledger":
        from retuner.search.ledger import Ledger

        return opened.enter_context(Ledger(settings.ledger_url))

    def probe() -> "Durations":
        from retuner.cost.probe import probed
        from retuner.data.dataset import make_dataset

        raw = settings.scratch / "probe" / "raw"
        dataset = make_dataset(parameters.data, recipe, raw=raw, home=settings.home)
        try:
            with show_lines():
                return probed(parameters, recipe, dataset, ledger(), check_stop=lambda: None)
        except UserError as error:
            raise UserError(f"{error} Mend that, or give --trial-seconds.") from None

    workspace = _ask_workspace(parameters.compute, settings)
    wanted = probe if parameters.budget.probe else None
    return Sources(recipe=lambda: recipe, ledger=ledger, probe=wanted, workspace=workspace)


def _ask_workspace(compute: DaskCompute | AzureMlCompute, settings: Settings) -> "WorkspaceFacts | None":
    """What the workspace says, where the parameters or their block name one."""
    if not isinstance(compute, AzureMlCompute):
        return None
    from retuner.azure_ml.identity import name_compute

    identity = azure_ml_identity(compute, settings)
    compute = name_compute(compute, identity)
    if not (compute.subscription_id and compute.resource_group and compute.workspace):
        return None
    from retuner.cost.workspace import ask_workspace

    return ask_workspace(compute, identity)


def _print(plan: Plan) -> None:
    from rich.console import Console
    from rich.table import Table

    from retuner.cost.words import plan_lines, plan_rows, shown

    rows = plan_rows(plan)
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "part" else "right")
    for row in rows:
        table.add_row(*(shown(value) for value in row.values()))
    console = Console()
    console.print(table)
    for line in plan_lines(plan):
        console.print(f"- {line}", markup=False, highlight=False, soft_wrap=not console.is_terminal)
