"""One probe trial on this machine, which tells how long a trial takes where no earlier study does."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from retuner.cost.estimates import Estimate
from retuner.data.dataset import build_dataset
from retuner.data.options import dataset_options
from retuner.data.sources import fetch
from retuner.errors import UserError
from retuner.parameters import Parameters
from retuner.search.draws import random_draw
from retuner.search.space import validate_space
from retuner.settings import Settings
from retuner_training.job import Job
from retuner_training.recipe import Recipe
from retuner_training.result import RESULT

PROBE_SECONDS = 60.0
"""A probe trial is stopped after so long: it shall tell soon."""
START_SECONDS = 120.0
"""What a probe may take besides, for imports and the data."""


def probe_trial(parameters: Parameters, recipe: Recipe, settings: Settings) -> Estimate:
    """One trial in a process of its own on this machine, for at most a minute; its data is prepared as for a retune.

    Raises UserError where it fails.
    """
    raw = fetch(parameters.data.source, recipe, settings.scratch / "probe" / "raw")
    dataset = build_dataset(raw, recipe, dataset_options(parameters.data, recipe), settings.home)
    space = validate_space(recipe.search_space, parameters.search.space)
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            name="probe",
            study="probe",
            recipe=parameters.recipe,
            parameters=random_draw(space, parameters.search.seed)(0),
            dataset=str(dataset.folder),
            output=f"{folder}/output",
            seed=parameters.search.seed,
            seconds=PROBE_SECONDS,
        )
        result = _run(job, Path(folder))
    if result["outcome"] == "completed":
        return Estimate(result["seconds"], "one probe trial on this machine")
    if (result["reason"] or "").startswith("timeout"):
        basis = f"at least: one probe trial on this machine, stopped after {PROBE_SECONDS:.0f} s"
        return Estimate(result["seconds"], basis)
    raise UserError(f"The probe trial failed ({result['reason']}): mend that, or give --trial-seconds.")


def _run(job: Job, folder: Path) -> dict[str, Any]:
    order, answer = folder / "job.json", folder / RESULT
    order.write_text(json.dumps(job.to_dict()))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-P", "-m", "retuner_training", str(order), str(answer)]
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS + START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise UserError(
            f"The probe trial has not ended after {late.timeout:.0f} s: give --trial-seconds, or a smaller space."
        ) from None
    if not answer.exists():
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UserError(f"The probe trial broke off ({last}): mend that, or give --trial-seconds.")
    result: dict[str, Any] = json.loads(answer.read_text())
    return result
