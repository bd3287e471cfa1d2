"""The whole flow with jobs that really run on emulated nodes: the same trials as on Dask, and no secret anywhere."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS
from azure_retune import AzureRetune, emulated
from left_secrets import files_in, found_in, kept_by_azure_ml, stored
from retune_command import Retune

from retuner.search.ledger import Ledger
from retuner.search.records import TrialRecord

pytestmark = SDK_WARNINGS
TRIALS, NODES = 6, 4
GROUPS = {
    "recipe": "faq_ranker",
    "data": {"source": "sample"},
    "search": {
        "trials": TRIALS,
        "sampler": "random",
        "stopping": "none",
        "seed": 7,
        "space": {"trees": {"low": 5, "high": 9}},
    },
}


@dataclass(frozen=True)
class Done:
    """A retune that has come to its end."""

    retune: AzureRetune
    document: dict
    words: str
    """Everything that it printed."""
    secrets: set[str]
    """Every value that was ever in the workspace's key vault, and the service principal's password."""
    stored: dict[str, bytes]
    """Every blob that is left in the storage account, by its name."""


@pytest.fixture(scope="module")
def done(azurite_https, tmp_path_factory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("offline")
    with emulated(azurite_https) as emulator:
        # what a node logs is readable once its run is long over
        emulator.faults.add(FaultRule("POST", "/metric/.*/batch$", FaultKind.LATE_METRICS, times=1000, seconds=600))
        retune = AzureRetune(folder, emulator, azurite_https)
        process = retune.start(*retune.azure("--json", trials=TRIALS, nodes=NODES, **GROUPS))
        seen, ended = {emulator.environment["AZURE_CLIENT_SECRET"]}, threading.Event()
        watch = threading.Thread(target=_collect, args=(emulator, seen, ended))
        watch.start()
        out, err = process.communicate(timeout=600)
        ended.set()
        watch.join()
        assert process.returncode == 0, err
        blobs = stored(azurite_https, [retune.container, "azureml", "snapshots"])
        yield Done(retune, json.loads(out), out + err, seen, blobs)


def _collect(emulator, seen: set[str], ended: threading.Event) -> None:
    while not ended.wait(0.1):
        seen.update(emulator.inspect(lambda service: list(service.state.secrets.values())))


def trials(home: Path, study: str) -> list[TrialRecord]:
    with Ledger(f"sqlite:///{home / 'ledger.sqlite'}") as ledger:
        return ledger.trials(study)


def test_the_same_seed_gives_the_trials_values_and_best_parameters_of_the_dask_target(done, tmp_path):
    dask = Retune(tmp_path)
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps({**GROUPS, "compute": {"target": "dask", "nodes": 2, "threads": 1}}))
    ended = dask("run", "--parameters", str(file), "--json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)

    def told(home: Path, study: str) -> list[tuple]:
        return [(trial.number, trial.parameters, trial.value, trial.reports) for trial in trials(home, study)]

    on_azure = told(done.retune.home, done.document["study"])
    assert len(on_azure) == TRIALS
    assert on_azure == told(dask.home, document["study"])
    assert done.document["best"] == document["best"]
    assert done.document["test"] == document["test"]
    assert done.document["dataset"] == document["dataset"]


def test_all_nodes_were_used(done):
    assert done.retune.emulator.inspect(lambda service: service.clusters["retuner"].most_running) == NODES


def test_the_model_is_registered_in_the_workspace_as_its_champion(done):
    assert done.document["model"] | {"uri": None} == {
        "name": "FAQ_ranker",
        "version": "1",
        "champion": True,
        "uri": None,
    }
    models = done.retune.emulator.inspect(lambda service: list(service.state.models))
    assert models == ["FAQ_ranker:1"]


def test_metrics_that_come_late_are_not_missed(done):
    for trial in trials(done.retune.home, done.document["study"]):
        assert trial.reports, "they came with the result"


def test_nothing_is_left_running_or_kept(done):
    def left(service):
        runs = [run.id for run in service.state.runs.values() if not run.is_finished()]
        return runs, service.clusters["retuner"].minimum, dict(service.state.secrets)

    assert done.retune.emulator.inspect(left) == ([], 0, {})


def test_no_secret_is_in_what_was_written_printed_stored_or_told_to_azure(done):
    """Ledger, Prefect's database with its logs and artifacts, snapshots, caches; the store; what Azure ML keeps."""
    places = {
        "what was printed": done.words.encode(),
        "the run history": kept_by_azure_ml(done.retune),
        **done.stored,
        **files_in(done.retune.folder),
    }
    assert [name for name in places if name.endswith("prefect.db")], "Prefect's database was looked into"
    assert [name for name in places if name.endswith("std_log.txt")], "and the logs of the nodes"
    assert len(done.secrets) >= 3, "the password and two signatures"
    assert found_in(places, done.secrets) == []
