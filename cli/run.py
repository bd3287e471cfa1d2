"""`retune run`: the flow `retune` in this process, from parameters to a registered model."""

import argparse
import json
import threading
from pathlib import Path
from typing import Any

from cli import arguments
from cli.in_process import configure_prefect, run_flow
from cli.output import show
from cli.prefect_server import prefect_server
from cli.progress import show_progress
from retuner.errors import UserError
from retuner.parameters import DaskCompute, Parameters
from retuner.parameters.nodes import nodes_wanted
from retuner.parameters.values import merge_groups, parse_parameters
from retuner.settings import Settings, read_settings


def execute(options: argparse.Namespace) -> int:
    """Run the flow and print its result."""
    settings = read_settings()
    resume, base = _study_to_resume(options, settings)
    parameters = parse_parameters(_absolute(arguments.read_parameters(options, base)))
    _check(parameters)
    configure_prefect(debug=options.debug)
    with prefect_server(settings) as url, show_progress(parameters, debug=options.debug):
        from flows.retune import retune
        from tasks.notification_blocks import load_block

        for block in parameters.notify.blocks:  # those of deployments are looked at when they are applied
            load_block(block)
        values = {name: getattr(parameters, name) for name in Parameters.model_fields}
        document = run_flow(retune, {**values, "resume": resume}, url)
    show(json.dumps(document) if options.json else _lines(document))
    return 0


def _study_to_resume(options: argparse.Namespace, settings: Settings) -> tuple[str | None, dict[str, Any]]:
    """The study to continue and its parameters: the named one, or the newest that is unfinished."""
    if options.resume is None:
        return None, {}
    from retuner.search.ledger import Ledger
    from retuner.search.states import StudyState

    with Ledger(settings.ledger_url) as ledger:
        if options.resume:
            study = ledger.unfinished_study(options.resume)
        else:
            unfinished = [one.study for one in ledger.studies() if one.study.state is StudyState.OPEN]
            if not unfinished:
                raise UserError("There is no unfinished study to resume: start one with: retune run")
            study = unfinished[0]
    return study.name, study.parameters


def _absolute(values: dict[str, Any]) -> dict[str, Any]:
    """A folder or file of data is told relative to where the command was given; the flow may run elsewhere."""
    data = values.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if isinstance(source, str) and source != "sample" and Path(source).expanduser().exists():
        return merge_groups(values, {"data": {"source": str(Path(source).expanduser().absolute())}})
    return values


def _check(parameters: Parameters) -> None:
    """Refuse what cannot work before a server is started."""
    from retuner.compute import check_target
    from retuner.cost.limits import check_budget
    from retuner.data.options import dataset_options
    from retuner.data.sources import check_source
    from retuner.search.space import validate_space
    from retuner.workbench import find_recipe

    check_budget(parameters)
    recipe = find_recipe(parameters.recipe)
    validate_space(recipe.search_space, parameters.search.space)
    check_source(parameters.data.source, recipe, dataset_options(parameters.data, recipe))
    if isinstance(parameters.compute, DaskCompute):  # Azure ML may want a block, which lies on the server
        check_target(parameters.compute, nodes_wanted(parameters), stop=threading.Event())


def _lines(document: dict[str, Any]) -> str:
    if document["trials"] is None:
        return str(document["decision"])
    from retuner.cost.words import beside_plan
    from retuner.search.records import in_words

    cost = document["cost"]
    trials, best, model = document["trials"], document["best"], document["model"]
    errors = document["standard_errors"]
    test = ", ".join(f"{name} {value:.3f} ± {errors[name]:.3f}" for name, value in document["test"].items())
    seconds = ", ".join(f"{stage} {value:.0f}" for stage, value in document["seconds"].items())
    parameters = in_words(best["params"])
    about = {"is_bound": cost["plan_is_bound"], "origin": cost["price"]}
    spent = beside_plan(cost["actual"]["total"], cost["plan"]["total"], **about)
    return "\n".join(
        [
            f"study     {document['study']} on {document['dataset']}",
            f"trials    {trials['asked']}: {trials['completed']} completed, {trials['pruned']} pruned, "
            f"{trials['failed']} failed",
            f"best      {best['metric']} {best['value']:.3f} on the tune set with {parameters}",
            f"test      {test}",
            f"model     {model['name']} version {model['version']}" if model["version"] else "model     not registered",
            f"decision  {'promoted' if model['champion'] else 'not promoted'}: {document['decision']}",
            f"report    {document['report'] or 'none was made'}",
            *([f"ended     {document['ended_early']}"] if document["ended_early"] else []),
            f"cost      {spent}",
            f"seconds   {seconds}",
        ]
    )
