"""`retune status`: a table for people, JSON for scripts; one study whole, with what went wrong in it."""

import json

import pytest
from identities import identity
from retune_command import Retune

from retuner.search.ledger import Ledger
from retuner.search.records import Attempt, TrialRecord
from retuner.search.states import StudyState, TrialState

IDENTITY = identity()
LOST = Attempt("s-t0001-a1", TrialState.LOST, node="n2", reason="lost: its worker n2 died", log="one\ntwo")
TRIALS = [
    TrialRecord(
        0, TrialState.COMPLETED, {"trees": 5}, value=0.75, attempts=(Attempt("s-t0000-a1", TrialState.COMPLETED),)
    ),
    TrialRecord(
        1, TrialState.RUNNING, {"trees": 6}, attempts=(LOST, Attempt("s-t0001-a2", TrialState.RUNNING, node="n1"))
    ),
]


@pytest.fixture
def retune(tmp_path) -> Retune:
    """The command, with one open study in its ledger."""
    retune = Retune(tmp_path)
    with Ledger(f"sqlite:///{retune.home / 'ledger.sqlite'}") as ledger:
        study = ledger.open_study(IDENTITY, "FAQ", trials=2)
        ledger.write_trials(study.name, TRIALS)
    return retune


def test_a_study_is_shown_with_its_trials_and_what_went_wrong(retune):
    name = retune.status()[0]["study"]
    lines = [" ".join(line.split()) for line in retune("status", name).stdout.splitlines()]
    assert lines == [
        f"{name} is open; continue with: retune run --resume {name}",
        "trial state value attempts seconds node message",
        "0 completed 0.7500 1",
        "1 running 2 n1",
        "",
        "1 x lost: its worker n2 died; the latest is trial 1 (s-t0001-a1 on n2)",
        "one",
        "two",
        "next: a lost attempt is followed by another, up to three; then look at the node",
    ]


def test_with_json_a_study_is_one_document(retune):
    name = retune.status()[0]["study"]
    document = json.loads(retune("status", name, "--json").stdout)
    assert (document["study"], document["state"]) == (name, "open")
    assert document["trials"] == {"asked": 2, "running": 1, "completed": 1, "pruned": 0, "failed": 0}
    assert document["each"][1]["attempts"][0]["log"] == "one\ntwo"
    assert document["failures"][0]["class"] == "lost"


def test_the_table_has_a_line_a_study(retune):
    name = retune.status()[0]["study"]
    with Ledger(f"sqlite:///{retune.home / 'ledger.sqlite'}") as ledger:
        ledger.update_study(name, state=StudyState.FAILED, message="nothing worked")
    head, line = retune("status").stdout.splitlines()
    assert head.split() == ["study", "state", "asked", "running", "completed", "pruned", "failed", "best", "updated"]
    assert line.split()[:8] == [name, "failed", "2", "1", "1", "0", "0", "0.7500"]
    assert retune("status", name).stdout.startswith(f"{name} is failed: nothing worked\n")


def test_a_study_that_is_not_there_is_answered_with_the_newest(retune):
    refused = retune("status", "FAQ-00000000-1")
    assert refused.returncode == 1
    assert "There is no study 'FAQ-00000000-1': the newest are FAQ-" in refused.stderr
