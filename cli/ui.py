"""`retune ui`: the Prefect UI on the database that flow runs on this machine write to."""

import argparse
import json
import os

from cli.output import show
from cli.prefect_server import prefect_server
from flows.signals import stop_on_signals
from retuner.settings import read_settings


def execute(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    with stop_on_signals() as stop, prefect_server(read_settings(), port=options.port):
        address = os.environ.get("PREFECT_UI_URL") or os.environ["PREFECT_API_URL"].removesuffix("/api")
        show(json.dumps({"url": address}) if options.json else f"Prefect UI: {address}  (Ctrl-C ends it)")
        stop.wait()
    return 0
