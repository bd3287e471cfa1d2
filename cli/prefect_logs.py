"""Prefect's own logging, with the redaction: server, worker and flow runs read it from their Prefect home.

A flow run gives its handlers the redaction itself, but what its process says before is the worker's to write down.
"""

from importlib.util import find_spec
from pathlib import Path

import yaml

from retuner_training.result import write_whole


def redact_logs(home: Path) -> None:
    """Have every Prefect process of this home redact what it logs."""
    text = _settings()
    file = home / "logging.yml"
    if not file.exists() or file.read_text() != text:  # as after an upgrade of Prefect
        write_whole(file, lambda part: part.write_text(text))


def _settings() -> str:
    """Prefect's own settings, read without the seconds that its import takes, and a filter for each handler."""
    file = Path(find_spec("prefect").origin).parent / "logging" / "logging.yml"
    settings = yaml.safe_load(file.read_text())
    settings["filters"] = {"redaction": {"()": "retuner.logs.Redaction"}}
    for handler in settings["handlers"].values():
        handler["filters"] = ["redaction"]
    return str(yaml.safe_dump(settings))
