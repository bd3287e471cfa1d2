"""What must hold after every fault: nothing completed is lost or trained twice, entries are whole, a start finishes."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure_ml_emulator import FaultKind
from mlflow.tracking import MlflowClient
from retune_command import Retune

from retuner.registry.mlflow import MlflowRegistry
from retuner.search.ledger import Ledger
from retuner.search.records import StudyRecord, TrialRecord
from retuner.search.states import StudyState, TrialState
from retuner.settings import Settings, read_settings
from retuner.storage.names import job_folder

MODEL = "FAQ_ranker"
ANY_REQUEST = (
    FaultKind.THROTTLED,
    FaultKind.ERROR,
    FaultKind.UNAVAILABLE,
    FaultKind.RESET,
    FaultKind.SLOW,
    FaultKind.HANG,
    FaultKind.EXPIRED,
)
"""Faults that can meet any request."""


def shortened(whole: Iterable[Any], short: Collection[Any]) -> list[Any]:
    """Parameters of a test: `make test` takes those in `short`, `make faults` the whole."""
    return [one if one in short else pytest.param(one, marks=pytest.mark.long) for one in whole]


@dataclass(frozen=True)
class Kept:
    """What had been completed of the newest study when the fault came."""

    study: str | None
    is_finished: bool
    values: dict[float, float | None]
    """By the trial's `quality`; None where only the store knows the result, and the ledger not yet."""
    trained: Counter[float]
    """How often each trial had been trained, by the training code's own records."""


def what_is_kept(retune: Retune) -> Kept:
    """To be asked once the fault has done its work."""
    settings = read_settings(retune.environment)
    study, trials = _study(settings)
    if study is None:
        return Kept(None, False, {}, retune.qualities())
    values = {
        _quality(trial): trial.value if trial.state is TrialState.COMPLETED else None
        for trial in trials
        if trial.state is TrialState.COMPLETED or _is_in_store(settings, study.name, trial)
    }
    return Kept(study.name, study.state is StudyState.FINISHED, values, retune.qualities())


def assert_all_holds(retune: Retune, kept: Kept, *, trials: int) -> None:
    """To be asked once a start after the fault, or the flow run that lived through it, has come to its end."""
    study, ended = _study(read_settings(retune.environment), kept.study)
    assert study is not None
    assert study.state is StudyState.FINISHED
    assert [trial.state for trial in ended] == [TrialState.COMPLETED] * trials
    values = {_quality(trial): trial.value for trial in ended}
    known = {quality: value for quality, value in kept.values.items() if value is not None}
    assert {quality: values.get(quality) for quality in known} == known, "a completed trial was lost"
    if not kept.is_finished:  # else a fresh start is another study, with the same trials
        since = retune.qualities() - kept.trained
        assert since.keys() & kept.values.keys() == set(), "a completed trial was trained again"
        assert {quality for quality, times in since.items() if times > 1} == set(), "a trial was trained twice"
    assert_only_whole_entries(retune)
    assert_every_version_is_whole(retune)


def assert_only_whole_entries(retune: Retune) -> None:
    """All of datasets and registry that has a name has all its files, with the content that was noted for them."""
    home = retune.home
    for manifest in [*home.glob("datasets/*/manifest.json"), *home.glob("store/datasets/*/manifest.json")]:
        for name, entry in json.loads(manifest.read_text())["files"].items():
            content = (manifest.parent / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], f"{manifest.parent.name}/{name}"
    registry = _registry(retune)
    for version in registry.versions(MODEL):
        with tempfile.TemporaryDirectory() as folder:
            registry.download(version, Path(folder) / "files")  # checks their hashes


def assert_every_version_is_whole(retune: Retune) -> None:
    """Once a start has finished what another began, MLflow has no version that our registry passes over."""
    uri = read_settings(retune.environment).mlflow_uri
    stored = MlflowClient(uri, uri).search_model_versions(f"name = '{MODEL}'")
    whole = _registry(retune).versions(MODEL)
    assert sorted(str(one.version) for one in stored) == sorted(one.version for one in whole)
    assert len({one.key for one in whole}) == len(whole), "a final training was registered twice"


def completed(retune: Retune) -> int:
    """Trials of the newest study that the ledger calls completed."""
    _, trials = _study(read_settings(retune.environment))
    return sum(trial.state is TrialState.COMPLETED for trial in trials)


def _study(settings: Settings, name: str | None = None) -> tuple[StudyRecord | None, list[TrialRecord]]:
    """The study of that name, or the newest, with its trials."""
    if settings.ledger_url.startswith("sqlite") and not (settings.home / "ledger.sqlite").exists():
        return None, []
    with Ledger(settings.ledger_url) as ledger:
        found = [one.study for one in ledger.studies() if name in (None, one.study.name)]
        return (found[0], ledger.trials(found[0].name)) if found else (None, [])


def _quality(trial: TrialRecord) -> float:
    """Tells the trials of a random search apart."""
    return float(trial.parameters["quality"])


def _is_in_store(settings: Settings, study: str, trial: TrialRecord) -> bool:
    results = [settings.store / job_folder(study, attempt.job) / "result.json" for attempt in trial.attempts]
    return any(json.loads(file.read_text())["outcome"] == "completed" for file in results if file.exists())


def _registry(retune: Retune) -> MlflowRegistry:
    return MlflowRegistry(read_settings(retune.environment).mlflow_uri)
