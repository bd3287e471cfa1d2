"""`python -m azure_ml_emulator [options] [-- COMMAND ...]`, with tests/ on PYTHONPATH: the emulator by hand.

Without a command it prints the variables to export in another terminal and serves until Ctrl-C; with one it runs the
command with them and ends with it.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from azurite import HOW_TO_GET_IT, install, running_azurite, write_certificate

from azure_ml_emulator import BlobAccount, Emulator, Settings

GONE = "All of this was emulated: no money was spent, and the workspace, its storage account and their pages are gone."


def main() -> int:
    options = _arguments()
    try:
        install()
    except LookupError as error:
        sys.exit(f"{HOW_TO_GET_IT} ({error})")
    settings = replace(Settings(), execute=not options.no_execute, node_start_seconds=options.node_start)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_azurite(certificate=write_certificate(Path(folder))) as azurite,
        Emulator(BlobAccount(azurite.account_url, azurite.key), settings) as emulator,
    ):
        environment = {**emulator.environment, **_names(settings)}
        if options.container:
            azurite.client().create_container(options.container)
        if options.command:
            status = subprocess.run(options.command, env={**os.environ, **environment}, check=False).returncode
            print(GONE, file=sys.stderr)  # noqa: T201 - what was printed looks like a real workspace
            return status
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):  # before the words that say it is up
            signal.signal(number, lambda *_: ended.set())
        for name, value in environment.items():
            print(f"export {name}={value}")  # noqa: T201 - this is what it is run for
        print("# Emulated workspace is up; Ctrl-C ends it.", flush=True)  # noqa: T201 - as above
        ended.wait()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="azure_ml_emulator", description="Azure ML's services on this machine.")
    parser.add_argument("--no-execute", action="store_true", help="runs complete at once, nothing is executed")
    parser.add_argument("--node-start", type=float, default=2.0, metavar="SECONDS", help="until a node is ready")
    parser.add_argument("--container", metavar="NAME", help="make this container in the workspace's storage account")
    parser.add_argument("command", nargs="*", help="run this with the variables set, and end with it")
    return parser.parse_args()


def _names(settings: Settings) -> dict[str, str]:
    """Where the workspace is, for whoever types it in."""
    return {
        "AZURE_SUBSCRIPTION_ID": settings.subscription,
        "AZURE_RESOURCE_GROUP": settings.group,
        "AZURE_ML_WORKSPACE": settings.workspace,
    }


if __name__ == "__main__":
    sys.exit(main())
