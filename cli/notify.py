"""`retune notify --test`: send one message through each notification block, and say whether it arrived."""

import argparse
import json
import socket

from cli.deployments import read_deployments
from cli.installation import notification_blocks
from cli.output import show
from cli.prefect_server import prefect_server
from retuner.errors import UserError
from retuner.settings import read_settings


def execute(options: argparse.Namespace) -> int:
    """Exit status 1 where one did not arrive."""
    if not options.test:
        raise UserError("Say what to do: retune notify --test sends one message through each block.")
    with prefect_server(read_settings()):
        from tasks.notification_blocks import send

        blocks = options.block or notification_blocks(read_deployments())
        if not blocks:
            raise UserError(
                "No notification block is named: make one in the Prefect UI under Blocks, then name it as "
                "notify.blocks in prefect.yaml, or here with --block, such as slack-webhook/our-team."
            )
        faults = {
            name: fault
            for name in blocks
            for fault in send([name], "retuner: test", f"Sent from {socket.gethostname()}.")
        }
    if options.json:
        show(json.dumps({"arrived": [name for name in blocks if name not in faults], "faults": faults}))
    else:
        for name in blocks:
            show(faults.get(name, f"The message through {name} was taken."))
    return 1 if faults else 0
