"""`retune provision`: the flow `provision` in this process."""

import argparse
import json
from typing import Any

from cli import arguments
from cli.in_process import configure_prefect, run_flow
from cli.output import show
from cli.prefect_server import prefect_server
from cli.preflight import check_lines
from cli.progress import show_lines
from retuner.parameters.provision import Provision
from retuner.settings import read_settings


def execute(options: argparse.Namespace) -> int:
    """Make what is missing, and print what there is now. Exit status 1 where preflight then finds a fault."""
    parameters = arguments.read_form(options, Provision)
    configure_prefect(debug=options.debug)
    with prefect_server(read_settings()) as url, show_lines():
        from flows.provision import provision

        document = run_flow(provision, {"compute": parameters.compute, "resources": parameters.resources}, url)
    show(json.dumps(document) if options.json else _lines(document))
    return int(any(check["verdict"] == "fails" for check in document["checks"]))


def _lines(document: dict[str, Any]) -> str:
    pieces = [f"{'made' if one['created'] else 'there':<7} {one['title']}" for one in document["pieces"]]
    return "\n".join([*pieces, *check_lines(document["checks"])])
