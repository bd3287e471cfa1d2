"""Stage 2: open the study that this flow run works on, and say what its jobs are."""

import subprocess
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from retuner.compute.snapshot import Snapshot, make_snapshot
from retuner.cost.limits import limits
from retuner.data.dataset import Dataset
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, DaskCompute
from retuner.search.entries import MADE_WITH, WARM_START
from retuner.search.records import StudyIdentity, StudyRecord
from retuner.search.space import Space, validate_space
from retuner.search.states import StudyState
from retuner.search.warm_start import earlier_bests
from retuner.settings import CHECKOUT
from retuner.storage.names import dataset_folder, job_folder
from retuner.workbench import Workbench
from retuner_training.errors import InvalidInput
from retuner_training.job import Job
from retuner_training.recipe import load_recipe
from retuner_training.versions import library_versions

_OURS = ("retuner", "prefect", "optuna", "distributed")


@dataclass(frozen=True)
class Study:
    """A study with what its jobs need."""

    record: StudyRecord
    dataset: Dataset
    snapshot: Snapshot
    space: Space

    @property
    def name(self) -> str:
        return self.record.name


def open_study(bench: Workbench, dataset: Dataset, *, resume: str | None = None) -> Study:
    """Continue the unfinished study of the same identity, or `resume` by name, else open the next."""
    _check_model_name(bench)
    snapshot = make_snapshot(bench.parameters.recipe, bench.settings.home / "snapshots")
    identity = study_identity(bench, dataset, snapshot)
    record = bench.ledger.open_study(
        identity,
        bench.parameters.model_name,
        trials=bench.parameters.search.trials,
        parameters=bench.parameters.model_dump(mode="json"),
        resume=resume or None,
    )
    if identity.sampler == "tpe" and WARM_START not in record.stages:
        record = _warm_start(bench, record)
    if MADE_WITH not in record.stages:
        bench.ledger.write_stage(record.name, MADE_WITH, made_with())
    return Study(record=record, dataset=dataset, snapshot=snapshot, space=identity.space)


def _check_model_name(bench: Workbench) -> None:
    """Raise UserError where the name is that of a model of other data: the two could never be compared."""
    name, replaces = bench.parameters.model_name, bench.parameters.gate.replace_unloadable
    earlier = [] if replaces else [one.study for one in bench.ledger.studies(name)]
    finished = [study.identity.recipe for study in earlier if study.state is StudyState.FINISHED]
    if not finished:
        return
    try:
        files = load_recipe(finished[0]).files
    except InvalidInput:  # a recipe that is gone; the gate will say what can be compared
        return
    if tuple(files) != tuple(bench.recipe.files):
        raise UserError(
            f"The model {name} was made by the recipe {finished[0]}, which learns from other files than "
            f"{bench.parameters.recipe}: give this one a name of its own (model_name, --model-name)."
        )


def study_identity(bench: Workbench, dataset: Dataset, snapshot: Snapshot) -> StudyIdentity:
    """What decides which study a flow run works on."""
    search = bench.parameters.search
    return StudyIdentity(
        dataset=dataset.name,
        recipe=bench.parameters.recipe,
        snapshot=snapshot.hash,
        metric=bench.recipe.objective.metric,
        direction=bench.recipe.objective.direction,
        space=validate_space(bench.recipe.search_space, search.space),
        sampler=search.sampler,
        stopping=search.stopping,
        delay=search.delay,
        interval=search.interval,
        seed=search.seed,
    )


def _warm_start(bench: Workbench, record: StudyRecord) -> StudyRecord:
    """Decide once, and write down, what is asked first, so that a resumed study goes on with the same."""
    first = earlier_bests(bench.ledger, record.identity, count=bench.parameters.search.warm_start)
    bench.ledger.write_stage(record.name, WARM_START, {"trials": first})
    return replace(record, stages={**record.stages, WARM_START: {"trials": first}})


def training_job(bench: Workbench, study: Study, name: str, parameters: dict[str, object]) -> Job:
    """A training of the study: `name` is its identity, and where its result lies follows from it."""
    return Job(
        name=name,
        study=study.name,
        recipe=bench.parameters.recipe,
        parameters=parameters,
        dataset=bench.store.location(dataset_folder(study.dataset.name)),
        output=bench.store.location(job_folder(study.name, name)),
        threads=_threads(bench.parameters.compute),
        seed=bench.parameters.search.seed,
        seconds=limits(bench.parameters.budget).trial,
    )


def _threads(compute: DaskCompute | AzureMlCompute) -> int:
    """Cores of a training; on Azure ML the target knows those of a node, where the parameters leave it open."""
    return compute.threads if isinstance(compute, DaskCompute) else compute.cores or 1


def made_with() -> dict[str, Any]:
    """The commit of the checkout and the versions of what searches and trains."""
    return {"commit": git_commit(), "versions": {**{name: version(name) for name in _OURS}, **library_versions()}}


def git_commit(folder: Path = CHECKOUT) -> str:
    """The commit of the checkout, with `-dirty` where files differ from it; `unknown` outside a checkout."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()
