"""What Prefect's own processes log: as they come, without our code, from the settings in their home."""

import os
import subprocess
import sys

from cli.prefect_logs import redact_logs

PROGRAM = """
import logging
from prefect.logging.configuration import setup_logging
setup_logging()
for name in ("prefect.worker", "prefect.server.api", "uvicorn", "somebody.elses"):
    logging.getLogger(name).warning("%s: https://account.blob/faq?sig=%s", name, "hunter2")
try:
    raise ValueError("password=hunter2")
except ValueError:
    logging.getLogger("prefect.engine").exception("it broke")
"""


def test_every_logger_of_prefect_hides_secrets(tmp_path):
    redact_logs(tmp_path)
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_LOGGING_LEVEL": "INFO"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("sig=********") == 4
    assert "ValueError: password=********" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_settings_of_another_version_are_replaced_and_the_same_ones_left(tmp_path):
    (tmp_path / "logging.yml").write_text("version: 1\n")
    redact_logs(tmp_path)
    file = tmp_path / "logging.yml"
    assert "retuner.logs.Redaction" in file.read_text()
    before = file.stat().st_ino
    redact_logs(tmp_path)
    assert file.stat().st_ino == before
