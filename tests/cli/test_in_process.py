"""Prefect in the process of a command."""

import os
import subprocess
import sys

SAY_SOMETHING_LATE = """
from cli.in_process import configure_prefect
configure_prefect(debug=False)
import logging
from prefect.logging.configuration import setup_logging
setup_logging()
logging.getLogger("retuner").warning("This comes after the flow run.")
"""


def test_a_line_after_the_flow_run_makes_prefect_say_nothing_of_its_own(tmp_path):
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    command = [sys.executable, "-c", SAY_SOMETHING_LATE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "API log handler" not in done.stderr
