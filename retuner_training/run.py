"""What one job does on a node: load the dataset, train or evaluate, leave the result in the output folder."""

import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retuner_training.dataset import load_tables
from retuner_training.errors import InvalidInput, StopTraining, Unreachable
from retuner_training.job import Job, JobResult
from retuner_training.model import load_model, save_model
from retuner_training.progress import Progress
from retuner_training.recipe import Recipe, Resources, ShowsMistakes, Tables, load_recipe
from retuner_training.redaction import redact
from retuner_training.result import (
    MISTAKES,
    MODEL,
    RESULT,
    SCORES,
    SEEN,
    read_result,
    sha256_of,
    write_result,
    write_whole,
)
from retuner_training.threads import limited_threads
from retuner_training.transfer import Sign, dataset_folder, output_folder, sign_from_environment
from retuner_training.versions import library_versions

Send = Callable[[int, float], None]

MOST_MISTAKES = 12
"""Examples that an evaluation keeps of what the model got wrong."""


def _never() -> bool:
    return False


def run_job(
    job: Job,
    *,
    send: Send | None = None,
    stop_asked: Callable[[], bool] = _never,
    sign: Sign = sign_from_environment,
) -> JobResult:
    """Do `job` and leave result.json in its output; `send` gets every report, `stop_asked` is looked at with each.

    `sign` gives the signatures where dataset and output lie in Blob storage.

    A completed result that is there already is returned without training. A stopped or failed one is not: the
    stop may have been meant for the process and the fault may have been the node's, so asking again tries again.
    What the training raises becomes a failed result; only a storage that does not answer raises (OSError).
    """
    with output_folder(job.output, sign) as folder:
        earlier = read_result(folder)
        if earlier is not None and earlier.outcome == "completed":
            return earlier
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).unlink(missing_ok=True)
        result = _attempt(job, folder, send, stop_asked, sign)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # who sees the result may look at the log at once
        write_result(result, folder / RESULT)
    return result


def _attempt(job: Job, folder: Path, send: Send | None, stop_asked: Callable[[], bool], sign: Sign) -> JobResult:
    """The job's work, every ending turned into a result."""
    result = JobResult(name=job.name, outcome="completed", versions=library_versions())
    wall, cpu = time.monotonic(), time.process_time()

    def keep(step: int, value: float) -> None:
        result.reports.append((step, value))
        if send is not None:
            send(step, value)

    try:
        recipe = load_recipe(job.recipe)  # before the limits: they hold only libraries that are loaded
        job = replace(job, dataset=str(dataset_folder(job.dataset, sign)))
        with limited_threads(job.threads):
            if job.kind == "evaluate":
                _evaluate(job, recipe, folder, result)
            else:
                _train(job, recipe, folder, result, keep, stop_asked)
    except StopTraining as stop:
        result.outcome, result.reason = "stopped", str(stop)
        result.value = result.reports[-1][1] if result.reports else None
    except Unreachable:
        raise
    except Exception as error:  # noqa: BLE001 - a recipe may raise anything, and a failed trial is data
        result.outcome, result.value, result.metrics, result.standard_errors = "failed", None, {}, {}
        result.reason = redact(f"{type(error).__name__}: {error}")
        result.traceback = redact(traceback.format_exc())
    result.seconds, result.cpu_seconds = time.monotonic() - wall, time.process_time() - cpu
    return result


def _train(
    job: Job, recipe: Recipe, folder: Path, result: JobResult, keep: Send, stop_asked: Callable[[], bool]
) -> None:
    tables = load_tables(Path(job.dataset))
    resources = Resources(threads=job.threads, seed=job.seed)
    # made here, so that imports and loading do not count against the seconds of the training
    progress = Progress(keep, period=recipe.period, stop_asked=stop_asked, seconds=job.seconds)
    try:
        model = recipe.fit(tables, job.parameters, progress, resources)
    finally:
        progress.finish()
    scores = recipe.score(model, tables, "tune")
    result.metrics, result.standard_errors = means_and_errors(scores, recipe.metrics)
    result.value = result.metrics[recipe.objective.metric]
    if not np.isfinite(result.value):
        raise InvalidInput(f"The objective {recipe.objective.metric} is {result.value}: no value to compare trials by.")
    if job.keep_model:
        options: dict[str, Any] = {"recipe": job.recipe, "parameters": job.parameters, "metrics": result.metrics}
        save_model(folder / MODEL, model, **options)
        _write_table(recipe.seen(tables).to_frame("key"), folder / SEEN)
        result.files = {name: sha256_of(folder / name) for name in (MODEL, SEEN)}


def _evaluate(job: Job, recipe: Recipe, folder: Path, result: JobResult) -> None:
    if job.model is None:
        raise InvalidInput(f"The job {job.name} evaluates no model: set 'model' to a model file.")
    saved = load_model(Path(job.model))
    tables = load_tables(Path(job.dataset))
    scores = recipe.score(saved.model, tables, "test")
    result.metrics, result.standard_errors = means_and_errors(scores, recipe.metrics)
    result.value = result.metrics[recipe.objective.metric]
    _write_table(scores, folder / SCORES)
    if isinstance(recipe, ShowsMistakes):
        _write_mistakes(recipe, saved.model, tables, scores, folder / MISTAKES)
    result.files = {name: sha256_of(folder / name) for name in (SCORES, MISTAKES) if (folder / name).exists()}


def _write_mistakes(recipe: ShowsMistakes, model: Any, tables: Tables, scores: pd.DataFrame, file: Path) -> None:
    """Examples for the report. They are not what is decided by, so that no evaluation fails for want of them."""
    try:
        found = json.dumps(recipe.mistakes(model, tables, scores, part="test", most=MOST_MISTAKES), indent=1)
    except Exception:  # noqa: BLE001 - a recipe may raise anything
        traceback.print_exc()
        return
    write_whole(file, lambda part: part.write_text(found))


def means_and_errors(scores: pd.DataFrame, metrics: tuple[str, ...]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean of each metric over the rows, and its standard error: the deviation over the root of the row count.

    A row without a number makes the mean none: leaving it out would reward who fails on it.
    """
    if scores.empty:
        raise InvalidInput("There is no row to score: the dataset's part is empty.")
    columns = {name: scores[name].to_numpy(dtype=float) for name in metrics}
    with np.errstate(invalid="ignore"):  # an infinite score is told in a sentence of ours
        means = {name: float(np.mean(column)) for name, column in columns.items()}
        deviations = {name: float(np.std(column, ddof=min(1, len(scores) - 1))) for name, column in columns.items()}
    return means, {name: deviation / len(scores) ** 0.5 for name, deviation in deviations.items()}


def _write_table(table: pd.DataFrame, file: Path) -> None:
    write_whole(file, lambda part: table.to_parquet(part, index=False))
