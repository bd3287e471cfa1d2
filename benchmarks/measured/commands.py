"""Whole commands, as a person gives them: wall seconds and the peak memory of all their processes together."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import psutil

SECONDS_BETWEEN_LOOKS = 0.2
_OWN = {
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PREFECT_API_URL",
    "PREFECT_UI_URL",
    "PREFECT_HOME",
}
_OWN |= {"VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
"""Variables of the benchmark, which a person's shell does not have."""
_KEPT = {"RETUNER_CACHE"}
"""Of the settings of retuner. The rest might name a ledger and a registry that are really used."""


def run_command(*, command: list[str], folder: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run the command in `folder`; memory in MB is the sum over its process tree, shared pages counted every time."""
    inherited = {name: value for name, value in os.environ.items() if _is_inherited(name)}
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**inherited, **environment}, stdout=subprocess.PIPE, stderr=log, text=True
        )
        memory = _Memory(process.pid)
        out, _ = process.communicate()
        seconds = time.monotonic() - started
        peak = memory.stop()
        if process.returncode != 0:
            log.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {log.read()[-2000:]}")
    return {"seconds": seconds, "memory": peak, "out": out}


def retune(*, options: list[str], folder: str, home: str) -> dict[str, Any]:
    """`retune run --json` with these options: its document and wall seconds."""
    command = [sys.executable, "-m", "cli.main", "run", "--json", *options]
    found = run_command(command=command, folder=folder, environment={"RETUNER_HOME": home})
    return {"seconds": found["seconds"], "document": json.loads(found["out"])}


def _is_inherited(name: str) -> bool:
    return name in _KEPT or not (name in _OWN or name.startswith("RETUNER_"))


class _Memory(threading.Thread):
    """Looks at the process tree until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._done = threading.Event()
        self._peak = 0.0
        self.start()

    def run(self) -> None:
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            self._peak = max(self._peak, _tree_megabytes(self._pid))

    def stop(self) -> float:
        self._done.set()
        self.join()
        return self._peak


def _tree_megabytes(pid: int) -> float:
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended between the two looks
            continue
    return total / 1e6
