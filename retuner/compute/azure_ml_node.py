"""The script of a run on Azure ML: shipped beside `retuner_training`, without `retuner`, it does one job."""

import argparse
import io
import json
import os
import signal
import sys
import threading
from typing import Any, Literal


def main(arguments: list[str]) -> int:
    """Do the job; reports become rows of the run's metric. The result goes to storage before this returns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    fields = json.loads(parser.parse_args(arguments).job)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # else the log's tail lacks what was printed before the end
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    from azureml.core import Run

    from retuner_training.job import Job
    from retuner_training.run import run_job

    run = Run.get_context(allow_offline=False)

    def send(step: int, value: float) -> None:
        run.log_row("objective", step=step, value=value)

    result = run_job(Job(**fields), send=send, stop_asked=stop.is_set, sign=_Signatures(run))
    run.flush()
    if result.reason is not None:
        sys.stderr.write(result.traceback or f"{result.name} {result.outcome}: {result.reason}\n")
    return 1 if result.outcome == "failed" else 0


class _Signatures:
    """Signatures out of the workspace's key vault, each fetched once."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._names: dict[str, str] = json.loads(os.environ.get("RETUNER_SECRET_NAMES", "{}"))
        self._found: dict[str, str] = {}

    def __call__(self, use: Literal["read", "upload"]) -> str:
        variable = "RETUNER_READ_SAS" if use == "read" else "RETUNER_UPLOAD_SAS"
        if variable not in self._names:
            raise PermissionError(f"The run was submitted without the name of the secret {variable}.")
        if variable not in self._found:
            self._found[variable] = str(self._run.get_secret(self._names[variable]))
        return self._found[variable]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
