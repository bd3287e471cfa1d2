"""Processes of this machine, told apart by when they began: a number is given again once its process is gone."""

import json
from pathlib import Path


def birth(pid: int) -> str:
    """When a process began, in clock ticks since the machine did; empty where it is gone or only waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def is_alive(pid: int, born: str) -> bool:
    """Whether the process of that number that began then is still there; of one without a birth, nothing is."""
    return bool(born) and birth(pid) == born


def write_record(file: Path, record: object) -> None:
    """Write what is known of a process, whole, as JSON.

    Not with retuner_training's help: `retune ask` must not have imported it before the model brings its own.
    """
    whole = file.with_suffix(".new")
    whole.write_text(json.dumps(record))
    whole.replace(file)
