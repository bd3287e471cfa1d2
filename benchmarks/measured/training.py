"""Our trials, without any orchestration: one job in this process."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lightgbm  # noqa: F401 - its import is not part of a trial: a worker imports it once
import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measured.phases import Phases
from retuner.data.dataset import build_dataset
from retuner.data.sources import fetch
from retuner.search.draws import random_draw
from retuner.search.space import validate_space
from retuner_training.cache import VARIABLE as SHARED_WORK
from retuner_training.dataset import load_tables
from retuner_training.faq import base, boosting, features, terms
from retuner_training.faq.metric import gains
from retuner_training.job import Job, JobResult
from retuner_training.model import load_model
from retuner_training.recipe import load_recipe
from retuner_training.result import MODEL
from retuner_training.run import means_and_errors, run_job

_PHASES = (
    *((kind, "fit_transform", "features of the training pairs") for kind in (features.PairFeatures, terms.PairTerms)),
    *((kind, "transform", "features of the tune pairs") for kind in (features.PairFeatures, terms.PairTerms)),
    (boosting.BoostedTrees, "fit", "trees"),
    (base._TuneReports, "__call__", "reports"),
    (boosting.BoostedTrees, "calibrate", "calibration"),
    (base.FaqRecipe, "score", "final score"),
)


def prepare(*, raw: str, home: str, options: dict[str, Any]) -> dict[str, Any]:
    """The dataset of the raw files: where it lies, and the wall and CPU seconds that it took."""
    recipe = load_recipe("faq_ranker")
    wall, cpu = time.monotonic(), time.process_time()
    dataset = build_dataset(fetch(raw, recipe, Path(home) / "raw"), recipe, options, Path(home))
    seconds, cpu = time.monotonic() - wall, time.process_time() - cpu
    return {"folder": str(dataset.folder), "seconds": seconds, "cpu": cpu}


def train(
    *, dataset: str, recipe: str, trials: list[dict[str, Any]], folder: str, tested: bool
) -> list[dict[str, Any]]:
    """Trials with these hyperparameters, one after the other in this process: CPU seconds, by phase too.

    Where they are `tested`, also gains on the test part, which are computed after each.
    """
    found = []
    for number, parameters in enumerate(trials):
        phases = Phases()
        output = f"{folder}/{number}"
        with phases.watch(*_PHASES):
            job = Job(f"trial-{number}", "benchmark", recipe, parameters, dataset, output, keep_model=True)
            result = _completed(run_job(job))
        seconds = dict(phases.seconds)
        seconds["the rest"] = result.cpu_seconds - sum(seconds.values())
        test = _gains_on_test(recipe, Path(output) / MODEL, dataset) if tested else None
        found.append({"cpu": result.cpu_seconds, "phases": seconds, "test": test})
    return found


def train_both_ways(*, runs: int, trials: int, cores: int, folder: str, **job: Any) -> list[list[float]]:
    """Once a run: wall seconds of the first trials, and those of the same trials when they are trained side by side.

    First in this process, one after the other on `cores` threads, then each in a process of its own with one thread.
    Imports are left out.
    """
    with ProcessPoolExecutor(trials, mp_context=get_context("spawn")) as pool:
        list(pool.map(_ready, range(trials)))
        walls = []
        for run in range(runs):
            started = time.monotonic()
            for number in range(trials):
                _train_in_run(number, folder=f"{folder}/wide-{run}", threads=cores, **job)
            between = time.monotonic()
            list(pool.map(partial(_train_in_run, folder=f"{folder}/narrow-{run}", **job), range(trials)))
            walls.append([between - started, time.monotonic() - between])
    return walls


def _ready(number: int) -> int:
    """Sent to every process ahead, so that it has started and imported this module."""
    time.sleep(2)
    return number


def _train_in_run(number: int, *, folder: str, **job: Any) -> float:
    """A trial that shares work with those of its run alone, as in a process that finds none of earlier ones."""
    os.environ[SHARED_WORK] = f"{folder}/shared"
    return train_number(number, seed=0, folder=folder, **job)


def numbered_job(number: int, *, dataset: str, recipe: str, seed: int, folder: str, threads: int = 1) -> Job:
    """Trial `number` of the seeded random search, as every peer trains it."""
    space = validate_space(load_recipe(recipe).search_space, {})
    parameters = random_draw(space, seed)(number)
    output = f"{folder}/{number:04d}"
    return Job(f"trial-{number}", "benchmark", recipe, parameters, dataset, output, threads=threads, seed=seed)


def train_number(number: int, **options: Any) -> float:
    """Value of trial `number`; options as `numbered_job` takes them."""
    value = _completed(run_job(numbered_job(number, **options))).value
    assert value is not None
    return value


def _gains_on_test(recipe: str, model: Path, dataset: str) -> dict[str, list[float]]:
    scores = load_recipe(recipe).score(load_model(model).model, load_tables(Path(dataset)), "test")
    means, errors = means_and_errors(scores, base.METRICS)
    return {metric: [means[metric], errors[metric]] for metric in base.METRICS}


def _completed(result: JobResult) -> JobResult:
    if result.outcome != "completed":
        raise RuntimeError(f"{result.name} {result.outcome}: {result.reason}\n{result.traceback or ''}")
    return result


def scores_on_test(scores: npt.NDArray[np.float64], own: npt.NDArray[np.int64]) -> dict[str, list[float]]:
    """[mean, standard error] of each metric, from texts x questions, as ours are computed."""
    rows = pd.DataFrame(gains(scores, own, most=len(base.METRICS)), columns=list(base.METRICS))
    means, errors = means_and_errors(rows, base.METRICS)
    return {metric: [means[metric], errors[metric]] for metric in base.METRICS}
