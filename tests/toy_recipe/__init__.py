"""A recipe of a user's own: plain steps whose length and mishaps are hyperparameters, so that tests can steer jobs."""

import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_info

import retuner_training
from retuner_training.progress import Progress
from retuner_training.recipe import Objective
from retuner_training.result import sha256_of
from toy_recipe.model import ToyModel


class ToyRecipe:
    name = "toy"
    objective = Objective("hit")
    metrics = ("hit",)
    search_space: ClassVar = {"quality": {"type": "float", "low": 0.0, "high": 1.0}}
    period = 1
    files = ("toy.txt",)
    addresses: ClassVar = {}
    options: ClassVar = {}

    def signature(self, statistics):
        return {"inputs": [{"name": "text", "type": "string"}], "output": "double"}

    def sample(self, folder, *, seed=0):
        (folder / "toy.txt").write_text(f"{seed}")

    def prepare(self, source, options):
        return {"rows": pd.DataFrame({"key": np.arange(100, dtype="uint64")})}, {"rows": 100}

    def pipeline(self, parameters, resources):
        return ToyModel(parameters.get("quality", 0.5))

    def fit(self, tables, parameters, progress: Progress, resources):
        """`steps` reports, `delay` seconds apart. Each run adds its process to the file `record`."""
        if parameters.get("record"):
            with Path(parameters["record"]).open("a") as record:
                record.write(f"{os.getpid()}\n")
        found = "here" if find_spec("retuner") else "missing"
        sys.stdout.write(f"the toy starts with {retuner_training.__file__}; retuner is {found}\n")
        if "pools" in parameters:
            Path(parameters["pools"]).write_text(json.dumps([pool["num_threads"] for pool in threadpool_info()]))
        for step in range(1, parameters.get("steps", 3) + 1):
            time.sleep(parameters.get("delay", 0))
            if step == parameters.get("fails_at"):
                raise ArithmeticError(f"step {step} went wrong")
            progress.report(step, step / 10)
            while step == parameters.get("deaf_at"):  # as code that never reports again
                time.sleep(0.1)
        return self.pipeline(parameters, resources)

    def score(self, model, tables, part):
        rows = tables["rows"]
        hits = np.arange(len(rows)) < model.quality * len(rows)
        return pd.DataFrame({"hit": hits + 0 * model.quality, "key": rows["key"], "known": True})

    def seen(self, tables):
        return tables["rows"]["key"]

    def final_parameters(self, best):
        return dict(best)

    def answer(self, model, text, *, top):
        if text == "unanswerable":
            raise ValueError("the toy knows no answer")
        return [{"question": text, "probability": model.quality}][:top]


recipe = ToyRecipe()


def write_dataset(folder: Path) -> Path:
    """The toy's dataset as a job expects it."""
    tables, statistics = recipe.prepare(folder, {})
    folder.mkdir(parents=True)
    file = folder / "rows.parquet"
    tables["rows"].to_parquet(file)
    entry = {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    manifest = {"name": "toy", "recipe": "toy", "options": {}, "statistics": statistics, "files": {file.name: entry}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
