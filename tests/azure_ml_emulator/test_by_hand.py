"""`python -m azure_ml_emulator`, as a person uses it, and what is left when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from azure_ml_emulator.client import until
from azure_ml_emulator.jobs import KEEPER

TESTS = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "azure_ml_emulator"]


@pytest.fixture
def environment(azurite, tmp_path) -> dict[str, str]:
    """Of a person's shell; asking for Azurite skips the test where it is missing."""
    return {**os.environ, "PYTHONPATH": str(TESTS), "HOME": str(tmp_path)}


def test_a_command_runs_with_the_variables_and_ends_with_its_code(environment):
    code = "import os, sys; print(os.environ['HTTPS_PROXY'], os.environ['AZURE_ML_WORKSPACE']); sys.exit(3)"
    done = subprocess.run(
        [*COMMAND, "--", sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.stdout.split()[1] == "emulated"


def test_it_prints_what_to_export_and_ends_on_a_signal(environment):
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        while not (lines and lines[-1].startswith("#")):
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    names = {line.removeprefix("export ").partition("=")[0] for line in lines if line.startswith("export ")}
    assert names >= {"HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_a_job_ends_when_whoever_started_it_is_killed():
    job = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    keep = f"""
import subprocess, sys
keeper = subprocess.Popen([sys.executable, {str(KEEPER)!r}, *{job!r}], stdin=subprocess.PIPE)
keeper.wait()
"""
    with subprocess.Popen([sys.executable, "-c", keep], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        assert Path(f"/proc/{process}").exists()
        parent.kill()
    until(lambda: not Path(f"/proc/{process}").exists())
