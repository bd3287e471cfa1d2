"""The script of a run on Azure ML: shipped beside `retuner_training`, without `retuner`, it does one job.

The services are asked for what the job needs before it begins; once it has begun, none of them can spoil it. A script
that ends without a result is told from a training that failed, whose result says so: its trial gets a new attempt.
"""

import argparse
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

PATIENCE = float(os.environ.get("RETUNER_NODE_SECONDS", "180"))
"""Seconds that the workspace may take to answer before the job begins, and to take the last metrics when it has ended.
The SDK waits for some answers without end, and the node is paid for as long."""


def main(arguments: list[str]) -> int:
    """Do the job; reports become rows of the run's metric. The result goes to storage before this returns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    fields = json.loads(parser.parse_args(arguments).job)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # else the log's tail lacks what was printed before the end
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with _end_after(f"The workspace has not told the run its secrets within {PATIENCE:g} s.", status=1):
        from azureml.core import Run

        run = Run.get_context(allow_offline=False)
        signatures = _signatures(run)
    from retuner_training.job import Job
    from retuner_training.run import run_job

    def send(step: int, value: float) -> None:
        try:
            run.log_row("objective", step=step, value=value)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises, the training goes on
            sys.stderr.write(f"The report of step {step} was not sent: {error}\n")

    def sign(use: Literal["read", "upload"]) -> str:
        variable = "RETUNER_READ_SAS" if use == "read" else "RETUNER_UPLOAD_SAS"
        if variable not in signatures:
            raise PermissionError(f"The run was submitted without the name of the secret {variable}.")
        return signatures[variable]

    result = run_job(Job(**fields), send=send, stop_asked=stop.is_set, sign=sign)
    if result.reason is not None:
        sys.stderr.write(result.traceback or f"{result.name} {result.outcome}: {result.reason}\n")
    status = 1 if result.outcome == "failed" else 0
    _flush(run, status)
    return status


def _signatures(run: Any) -> dict[str, str]:
    """The signatures out of the workspace's key vault, by the variable that they are known as."""
    names: dict[str, str] = json.loads(os.environ.get("RETUNER_SECRET_NAMES", "{}"))
    try:
        return {variable: str(run.get_secret(name)) for variable, name in names.items()}
    except Exception as error:  # noqa: BLE001 - the SDK raises errors of several libraries
        words = f"The run cannot read its secrets, {', '.join(names.values())} ({error})"
        sys.exit(f"{words}: look at the access policies of the workspace's key vault.")


def _flush(run: Any, status: int) -> None:
    """Have the last metrics sent, and end the process where the SDK does not come to an end with them."""
    with _end_after("The last metrics were not sent; the result holds them.", status=status):
        try:
            run.flush()
        except Exception as error:  # noqa: BLE001 - the result is in storage
            sys.stderr.write(f"The last metrics were not sent: {error}\n")


@contextmanager
def _end_after(words: str, *, status: int) -> Iterator[None]:
    """End the process with that status where the block takes longer than PATIENCE: who waits for an answer ends too."""

    def end() -> None:
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()
        os._exit(status)

    timer = threading.Timer(PATIENCE, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
