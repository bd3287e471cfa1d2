"""`retune tear-down`: the flow `tear-down` in this process."""

import argparse
import json
from typing import Any

from cli import arguments
from cli.in_process import configure_prefect, run_flow
from cli.output import show
from cli.prefect_server import prefect_server
from cli.progress import show_lines
from retuner.parameters.provision import TearDown
from retuner.settings import read_settings


def execute(options: argparse.Namespace) -> int:
    """Delete what retuner made, where `--confirm` names the workspace; print what went and what stays."""
    parameters = arguments.read_form(options, TearDown)
    configure_prefect(debug=options.debug)
    with prefect_server(read_settings()) as url, show_lines():
        from flows.tear_down import tear_down

        values = {name: getattr(parameters, name) for name in TearDown.model_fields}
        document = run_flow(tear_down, values, url)
    show(json.dumps(document) if options.json else _lines(document))
    return 0


def _lines(document: dict[str, Any]) -> str:
    gone = [f"deleted {one['title']}" for one in document["deleted"]]
    stays = [f"kept    {one['title']}: {one['reason']}" for one in document["kept"]]
    return "\n".join([*gone, *stays]) or "Nothing is there that retuner made."
