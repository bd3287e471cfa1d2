"""A workbench with real parts and a study of the toy recipe, for tests of single stages."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retuner.parameters.values import parse_parameters
from retuner.registry.mlflow import MlflowRegistry
from retuner.registry.registry import Metadata, ModelVersion, Registry
from retuner.search.ledger import Ledger
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState
from retuner.settings import Settings
from retuner.stages.evaluate import Evaluation, collect_challenger, evaluate_challenger
from retuner.stages.prepare import files_to_store, prepare_dataset, store_file
from retuner.stages.study import Study, open_study, training_job
from retuner.storage.folder import FolderStore
from retuner.workbench import Workbench, find_recipe
from retuner_training.dataset import MANIFEST
from retuner_training.run import run_job

RECIPE = "toy_recipe.recorded:recipe"
BEST = TrialRecord(3, TrialState.COMPLETED, {"quality": 0.6}, value=0.6)


@dataclass
class StageBench:
    """The open study, and what its earlier stages would have left behind."""

    bench: Workbench
    study: Study

    def with_parameters(self, **groups: dict[str, Any]) -> "StageBench":
        """The same with other parameters, as a later start of the flow may have them."""
        values = {**self.bench.parameters.model_dump(), **groups}
        return StageBench(replace(self.bench, parameters=parse_parameters(values)), self.study)

    def with_registry(self, registry: Registry) -> "StageBench":
        """The same with another registry."""
        return StageBench(replace(self.bench, registry=registry), self.study)

    def train(self, *, quality: float, trial: int = 3, attempt: int = 1) -> str:
        """A final training whose model is right for the share `quality` of the rows; returns its job's name."""
        name = f"{self.study.name}-final-t{trial:04d}-a{attempt}"
        parameters = {"quality": quality}
        result = run_job(replace(training_job(self.bench, self.study, name, parameters), keep_model=True))
        final = {"job": name, "trial": trial, "parameters": parameters, "metrics": result.metrics}
        self.bench.ledger.write_stage(self.study.name, "final", final)
        return name

    def evaluate(self, job: str) -> Evaluation:
        return evaluate_challenger(self.bench, self.study, job)

    def make_champion(self, job: str, *, recipe: str = RECIPE, key: str = "earlier") -> ModelVersion:
        """Register the model of `job` as a champion of an earlier study."""
        folder = collect_challenger(self.bench, self.study, job)
        return self.register(folder, recipe=recipe, key=key)

    def register(self, folder: Path, *, recipe: str = RECIPE, key: str = "earlier") -> ModelVersion:
        """Make the files in `folder` the champion."""
        metadata = Metadata(metrics={}, parameters={}, tags={"recipe": recipe})
        version = self.bench.registry.register("toy", folder, metadata, key)
        self.bench.registry.set_champion("toy", version.version)
        return version

    def file_of(self, version: str, name: str) -> Path:
        """Where the registry keeps a file of a version; versions are ordered by their time."""
        found = (self.bench.settings.mlflow_artifacts).rglob(f"data/{name}")
        return sorted(found, key=lambda file: file.stat().st_mtime_ns)[int(version) - 1]


def open_stage_bench(home: Path, ledger: Ledger) -> StageBench:
    """A workbench in `home` on the toy's data, and its first study."""
    uri = f"sqlite:///{home / 'mlflow' / 'mlflow.sqlite'}"
    settings = Settings(home=home, ledger_url="", mlflow_uri=uri)
    bench = Workbench(
        parameters=parse_parameters({"model_name": "toy", "recipe": RECIPE}),
        settings=settings,
        recipe=find_recipe(RECIPE),
        store=FolderStore(settings.store),
        registry=MlflowRegistry(uri, artifact_root=settings.mlflow_artifacts),
        ledger=ledger,
        stop=threading.Event(),
    )
    dataset = prepare_dataset(bench)
    for file in [*files_to_store(dataset), dataset.folder / MANIFEST]:
        store_file(bench, dataset, file)
    return StageBench(bench, open_study(bench, dataset))
