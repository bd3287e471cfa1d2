"""`retune down`: end what `retune up` started, and everything that it started."""

import argparse
import json
import os
import signal
import time
from contextlib import suppress

from cli import prefect_process
from cli.output import show
from cli.processes import birth, is_alive
from cli.station import is_up, marked, read_station
from retuner.errors import UserError
from retuner.settings import Settings, read_settings

END_SECONDS = 90


def execute(options: argparse.Namespace) -> int:
    """Ask the station to end and wait until all its processes are gone."""
    settings = read_settings()
    was_up = is_up(settings)
    if was_up:
        _end(settings)
    for pid in marked(settings):  # of a station that was killed
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    show(json.dumps({"stopped": was_up}) if options.json else _words(settings, was_up=was_up))
    return 0


def _words(settings: Settings, *, was_up: bool) -> str:
    """What has ended, and that the server has not where others use it."""
    if prefect_process.find(settings.prefect_home) is None:
        return "Stopped: server, worker and flow runs." if was_up else "Nothing is up."
    ended = "Stopped: worker and flow runs." if was_up else "Nothing is up."
    return f"{ended} The Prefect server stays: another command uses it, such as retune ui, and ends it."


def _end(settings: Settings) -> None:
    deadline = time.monotonic() + END_SECONDS
    while (station := read_station(settings)) is None and is_up(settings):
        if time.monotonic() > deadline:
            raise UserError(f"Something is starting up in {settings.home} and does not get ready: see up.log there.")
        time.sleep(0.2)
    if station is None:
        return
    born = birth(station.pid)
    with suppress(ProcessLookupError):
        os.kill(station.pid, signal.SIGTERM)
    while is_up(settings) or is_alive(station.pid, born):
        if time.monotonic() > deadline:
            raise UserError(f"The process {station.pid} did not end within {END_SECONDS} s: end it by hand.")
        time.sleep(0.2)
