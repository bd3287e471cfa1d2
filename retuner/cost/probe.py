"""One probe trial on this machine, which tells how long a trial takes where no earlier study does."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retuner.cost.estimates import Durations, Estimate, from_earlier_studies, from_trial
from retuner.data.dataset import Dataset
from retuner.errors import UserError
from retuner.parameters import Budget, Parameters
from retuner.search.draws import random_draw
from retuner.search.space import validate_space
from retuner_training.job import Job
from retuner_training.recipe import Recipe
from retuner_training.redaction import redact
from retuner_training.result import RESULT

if TYPE_CHECKING:
    from retuner.search.ledger import Ledger

PROBE_SECONDS = 60.0
"""A probe trial is stopped after so long: it shall tell soon."""
WHOLE_SECONDS = 180.0
"""What a probe may take with its imports and the loading of the data."""
SHARE_OF_MINUTES = 0.1
"""Of `max_minutes`, what a probe may take of a retune."""
LOOK_SECONDS = 0.2
"""Between two looks at whether somebody asked to stop."""

_log = logging.getLogger(__name__)


def probed(
    parameters: Parameters, recipe: Recipe, dataset: Dataset, ledger: "Ledger", *, check_stop: Callable[[], None]
) -> Durations:
    """What a study of the very dataset took, whatever its source was called then; else what one probe trial takes.

    `check_stop` is called again and again, and ends the probe by raising. Raises UserError where the probe fails.
    """
    found = from_earlier_studies(ledger, parameters, dataset=dataset.name)
    if found is not None:
        return found
    trial = probe_trial(parameters, recipe, dataset, check_stop=check_stop)
    return Durations(trial, from_trial(trial))


def probe_trial(
    parameters: Parameters, recipe: Recipe, dataset: Dataset, *, check_stop: Callable[[], None]
) -> Estimate:
    """One trial in a process of its own on this machine, for at most a minute. Raises as `probed` does."""
    space = validate_space(recipe.search_space, parameters.search.space)
    whole = _whole_seconds(parameters.budget)
    seconds = min(whole * PROBE_SECONDS / WHOLE_SECONDS, parameters.budget.seconds_per_trial)
    _log.info("No earlier study tells how long a trial takes: one probe trial runs here, for %.2g s at most", seconds)
    try:
        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                name="probe",
                study="probe",
                recipe=parameters.recipe,
                parameters=random_draw(space, parameters.search.seed)(0),
                dataset=str(dataset.folder),
                output=f"{folder}/output",
                seed=parameters.search.seed,
                seconds=seconds,
            )
            result = _run(job, Path(folder), time.monotonic() + whole, check_stop)
    except OSError as error:
        raise UserError(f"No probe trial could be made on this machine: {error}.") from None
    if result["outcome"] == "completed":
        return Estimate(result["seconds"], "one probe trial on this machine")
    if (result["reason"] or "").startswith("timeout"):
        return Estimate(result["seconds"], f"at least: one probe trial on this machine, stopped after {seconds:.0f} s")
    raise UserError(f"The probe trial failed ({result['reason']}).")


def _whole_seconds(budget: Budget) -> float:
    """What a probe may take in all: the minutes that it uses are not there for the search."""
    minutes = budget.max_minutes
    return WHOLE_SECONDS if minutes is None else min(WHOLE_SECONDS, SHARE_OF_MINUTES * 60 * minutes)


def _run(job: Job, folder: Path, until: float, check_stop: Callable[[], None]) -> dict[str, Any]:
    """The result of the job. Its process and what that started never outlive this call.

    If this process dies at once, the other ends at its next report, which nobody can receive any more.
    """
    order, answer = folder / "job.json", folder / RESULT
    order.write_text(json.dumps(job.to_dict()))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-P", "-m", "retuner_training", str(order), str(answer)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    pipes["start_new_session"] = True
    with subprocess.Popen(command, env=environment, cwd=folder, **pipes) as process:
        try:
            words = _wait(process, until, check_stop)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what the recipe has started
    if not answer.exists():
        last = redact((words.strip().splitlines() or ["it ended without a word"])[-1])
        raise UserError(f"The probe trial broke off ({last}).")
    result: dict[str, Any] = json.loads(answer.read_text())
    return result


def _wait(process: "subprocess.Popen[str]", until: float, check_stop: Callable[[], None]) -> str:
    """What the process wrote to stderr by its end. Raises UserError where that does not come in time."""
    while True:
        check_stop()
        try:
            return process.communicate(timeout=LOOK_SECONDS)[1]
        except subprocess.TimeoutExpired:
            if time.monotonic() > until:
                raise UserError("The probe trial had not ended when its time was over.") from None
