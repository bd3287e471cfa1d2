"""Prefect's own logging, with the redaction: server, worker and flow runs read it from their Prefect home.

A flow run gives its handlers the redaction itself, but what its process says before is the worker's to write down.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from cli.processes import write_record


def redact_logs(home: Path) -> None:
    """Have every Prefect process of this home redact what it logs."""
    settings, file = _settings(), home / "logging.yml"
    if not file.exists() or file.read_text() != json.dumps(settings):  # as after an upgrade of Prefect
        write_record(file, settings)  # JSON is YAML as well


def _settings() -> dict[str, Any]:
    """Prefect's own settings, read without the seconds that its import takes, and a filter for each handler."""
    file = Path(find_spec("prefect").origin).parent / "logging" / "logging.yml"
    settings: dict[str, Any] = yaml.safe_load(file.read_text())
    settings["filters"] = {"redaction": {"()": "retuner.logs.Redaction"}}
    for handler in settings["handlers"].values():
        handler["filters"] = ["redaction"]
    return settings
