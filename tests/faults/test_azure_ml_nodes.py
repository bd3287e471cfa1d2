"""What a node itself asks for, as a real process, with each fault: the study ends right, or says what to do.

`make test` takes one case, `make faults` all.
"""

from collections.abc import Iterator

import pytest
from azure_bench import assert_cleaned_up, assert_given_back, emulated, impatience, jobs
from azure_ml_emulator import Emulator, FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS
from azure_study import AzureStudy, new_store
from what_holds import shortened

from retuner.errors import UserError
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState
from retuner.stages.study import Study

__all__ = ["impatience"]
pytestmark = SDK_WARNINGS
NODE = {
    "discovery": ("GET", "^/+discovery", 1),
    "run": ("GET", "/experimentids/[^/]+/runs/[^/]+-a1$", 0),
    "secret": ("GET", "/secrets/[^/]+$", 0),
    "earlier result": ("GET", "-t0000-a1/result.json$", 1),
    "manifest": ("GET", "/datasets/.*/manifest.json$", 0),
    "data": ("GET", "/datasets/.*[.]parquet$", 0),
    "metrics": ("POST", "/metric/.*/batch$", 0),
    "wait for metrics": ("GET", "-a1/metricsingest/wait$", 0),
    "result": ("PUT", "-t0000-a[0-9]/result.json$", 0),
    "model": ("PUT", "/model.joblib$", 0),
}
"""Method and path of everything that a node asks, and how many such requests of the search's own process come first."""
OF_THE_WORKSPACE = ("discovery", "run", "secret", "metrics", "wait for metrics")
METRICS = ("metrics", "wait for metrics")
"""What the node can do without: the result holds the metrics too."""
PASSING = {
    "refused": (FaultKind.THROTTLED, FaultKind.ERROR, FaultKind.UNAVAILABLE),
    "silent": (FaultKind.RESET, FaultKind.SLOW),
}
ENDING = [(name, kind) for name in OF_THE_WORKSPACE for kind in (FaultKind.HANG, FaultKind.EXPIRED)]
ENDING.remove(("discovery", FaultKind.EXPIRED))  # everybody may read it
BACKOFFS = ("BACKOFF", "500_BACKOFF", "503_BACKOFF")
PATIENCE = {"RETUNER_NODE_SECONDS": "30", **{f"AZUREML_DEFAULT_{name}": "1" for name in BACKOFFS}}
TRIES_OF_A_NODE = 6


@pytest.fixture
def emulator(azurite_https, tmp_path) -> Iterator[Emulator]:
    """Its nodes are processes that are less patient than real ones."""
    for emulator in emulated(azurite_https, tmp_path):
        emulator.inspect(lambda service: service.client_environment.update(PATIENCE))
        yield emulator


@pytest.fixture
def study(emulator, azurite_https, tmp_path) -> Iterator[tuple[AzureStudy, Study]]:
    """One trial on one node."""
    one = AzureStudy(emulator, new_store(azurite_https), tmp_path / "home", trials=1, nodes=1)
    opened = one.open()
    yield one, opened
    one.ledger.close()


def break_at(emulator: Emulator, name: str, *kinds: FaultKind, times: int = 1) -> None:
    method, pattern, others = NODE[name]
    for kind in kinds:
        emulator.faults.add(FaultRule(method, pattern, kind, times=times, after=others, seconds=1))
        others = 0


def only_trial(one: AzureStudy, opened: Study) -> TrialRecord:
    (trial,) = one.ledger.trials(opened.name)
    return trial


@pytest.mark.parametrize(
    "case", shortened([(name, faults) for name in NODE for faults in PASSING], [("secret", "refused")]), ids="-".join
)
def test_a_passing_fault_changes_nothing(study, emulator, case):
    (one, opened), (name, faults) = study, case
    break_at(emulator, name, *PASSING[faults])
    one.run(opened)
    trial = only_trial(one, opened)
    assert (trial.state, [report for report, _ in trial.reports]) == (TrialState.COMPLETED, [1, 2, 3, 4, 5, 6])
    assert jobs(emulator) == ["final-t0000-a1", "t0000-a1"], trial.attempts[0].log
    assert_met(emulator, len(PASSING[faults]))
    assert_given_back(emulator)


@pytest.mark.parametrize("case", shortened(ENDING, ()), ids="-".join)
def test_what_a_node_cannot_get_over_is_a_new_attempt_or_nothing(study, emulator, case):
    """No answer, which the SDK awaits without end, and a run's token that is not accepted any more."""
    (one, opened), (name, kind) = study, case
    break_at(emulator, name, kind)
    one.run(opened)
    trial = only_trial(one, opened)
    assert trial.state is TrialState.COMPLETED
    assert [attempt.state for attempt in trial.attempts[:-1]] == ([] if name in METRICS else [TrialState.LOST])
    assert_met(emulator, 1)
    assert_given_back(emulator)


@pytest.mark.parametrize("name", shortened(["manifest", "result"], ()))
def test_a_storage_that_is_away_for_longer_is_a_new_attempt(study, emulator, name):
    one, opened = study
    break_at(emulator, name, FaultKind.UNAVAILABLE, times=TRIES_OF_A_NODE)
    one.run(opened)
    trial = only_trial(one, opened)
    assert [attempt.state for attempt in trial.attempts] == [TrialState.LOST, TrialState.COMPLETED]
    assert "could not serve" in trial.attempts[0].log
    assert_given_back(emulator)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("secret", "look at the access policies of the workspace's key vault", marks=pytest.mark.long),
        pytest.param("manifest", "the SAS has expired, is of another container, or lacks", marks=pytest.mark.long),
        pytest.param("result", "the SAS has expired, is of another container, or lacks", marks=pytest.mark.long),
    ],
)
def test_what_is_forbidden_to_a_node_is_told_with_what_to_do(study, emulator, name, words):
    one, opened = study
    break_at(emulator, name, FaultKind.FORBIDDEN, times=10_000)
    with pytest.raises(UserError, match="1 of 1 trials failed"):
        one.run(opened)
    trial = only_trial(one, opened)
    assert trial.state is TrialState.FAILED
    assert words in f"{trial.message} {trial.attempts[-1].log}"
    assert_cleaned_up(one, emulator)


@pytest.mark.parametrize("name", shortened(METRICS, ()))
@pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN, FaultKind.UNAVAILABLE])
def test_metrics_that_are_never_taken_cost_no_trial(study, emulator, name, kind):
    one, opened = study
    break_at(emulator, name, kind, times=10_000)
    one.run(opened)
    trial = only_trial(one, opened)
    assert (trial.state, len(trial.attempts), len(trial.reports)) == (TrialState.COMPLETED, 1, 6)
    assert any(request.fault is not None for request in emulator.record.requests())
    assert_given_back(emulator)


def assert_met(emulator: Emulator, count: int) -> None:
    """So many requests went wrong: a rule that nothing meets shows nothing."""
    assert sum(request.fault is not None for request in emulator.record.requests()) == count
