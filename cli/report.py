"""`retune report`: make the report of a study and say where it lies."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from cli.output import show
from retuner.errors import UserError
from retuner.settings import Settings, read_settings


def execute(options: argparse.Namespace) -> int:
    """Make it anew from ledger and store, whoever ran the study and whether or not it has ended."""
    from retuner.search.follow import find_study
    from retuner.search.ledger import Ledger
    from retuner.stages.report import store_report

    settings = read_settings()
    with Ledger(settings.ledger_url) as ledger:
        study = find_study(ledger, options.study)
        location, page = store_report(study.name, ledger, _open_store(study.parameters, settings), settings)
    file = _write(page, options.output) if options.output else location
    if options.open == "yes" or (options.open is None and not options.json and _is_on_a_desktop()):
        _show_in_browser(file)
    show(json.dumps({"study": study.name, "report": file, "stored": location}) if options.json else f"Report: {file}")
    return 0


def _open_store(parameters: dict[str, Any], settings: Settings) -> Any:
    from retuner.parameters.values import parse_parameters
    from retuner.storage import open_store

    storage = parse_parameters({"storage": parameters["storage"]} if "storage" in parameters else {}).storage
    return open_store(storage, settings, credentials=_credentials(storage, settings))


def _credentials(storage: Any, settings: Settings) -> Any:
    """What is in the block, which lies on the Prefect server; without a block none is started."""
    if storage.kind != "blob" or storage.block is None:
        return None
    from cli.prefect_server import prefect_server

    with prefect_server(settings):
        from tasks.blocks import load_blob_credentials

        return load_blob_credentials(storage)


def _write(page: str, output: str) -> str:
    file = Path(output).expanduser().absolute()
    if file.is_dir():
        raise UserError(f"{file} is a folder: name a file for the report, such as {file / 'report.html'}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"The report cannot be written to {file}: {error.strerror}.") from error
    return str(file)


def _is_on_a_desktop() -> bool:
    """Whether somebody sits before it: a browser started elsewhere would fill the terminal, or be seen by nobody."""
    return sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _show_in_browser(location: str) -> None:
    import webbrowser

    address = location if "://" in location else Path(location).as_uri()
    if not webbrowser.open(address):
        raise UserError(f"There is no browser to open {location} in: say --open no, and open it by hand.")
