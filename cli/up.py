"""`retune up`: the Prefect server, its UI, the work pool, a worker, deployments and automations on this machine."""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from cli.installation import install
from cli.output import say, show
from cli.prefect_server import prefect_server
from cli.station import Addresses, is_up, read_station, run_station
from flows.signals import stop_on_signals
from retuner.errors import UserError
from retuner.settings import Settings, read_settings

START_SECONDS = 300
"""For a cold server, the work pool, the deployments and the worker; 60 were seen."""


def execute(options: argparse.Namespace) -> int:
    """Bring it up in the background and print where it is; with --foreground, serve until SIGTERM or Ctrl-C.

    Where it is up already, what prefect.yaml says now is put in place.
    """
    settings = read_settings()
    if options.foreground:
        with stop_on_signals() as stop:
            run_station(settings, stop, port=options.port)
        return 0
    addresses = read_station(settings)
    if addresses is None:
        addresses = _start(settings, options.port)
    else:
        with prefect_server(settings):
            addresses = replace(addresses, deployments=install())
    show(json.dumps(asdict(addresses)) if options.json else _lines(addresses))
    return 0


def _start(settings: Settings, port: int) -> Addresses:
    """Start the station, unless another process just does, and wait until it is ready."""
    log = settings.home / "up.log"
    settings.home.mkdir(parents=True, exist_ok=True)
    say("Starting the Prefect server, a worker and the deployments; this takes up to a minute ...")
    station = None if is_up(settings) else _spawn(log, port)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if addresses := read_station(settings):
            return addresses
        if station is not None and station.poll() is not None:
            raise UserError(_last_words(log))
        time.sleep(0.2)
    raise UserError(f"Nothing is up after {START_SECONDS} s: see {log}, then: retune down")


def _spawn(log: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "cli.main", "up", "--foreground", "--port", str(port)]
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True)


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("retune: ") if lines else f"The station ended without a word (see {log})."


def _lines(addresses: Addresses) -> str:
    first = next((name for name in addresses.deployments if name.startswith("retune/local")), addresses.deployments[0])
    return "\n".join(
        [
            f"Prefect UI   {addresses.ui}",
            f"API          {addresses.api}",
            f"work pool    {addresses.work_pool}, with a worker on this machine",
            f"deployments  {', '.join(addresses.deployments)}",
            f"start one    in the UI: {addresses.ui}/deployments, or:",
            f"             PREFECT_API_URL={addresses.api} .venv/bin/prefect deployment run {first}",
            "stop all     make down",
        ]
    )
