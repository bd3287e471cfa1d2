"""docs/states.md against the code."""

from pathlib import Path

import pytest

from retuner.search.records import counters
from retuner.search.states import StudyState, TrialState
from retuner.search.study import optuna_state

PAGE = (Path(__file__).parents[2] / "docs" / "states.md").read_text()


def table(title: str) -> dict[str, list[str]]:
    """The rows of the first table under a title, by their first cell."""
    lines = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines if line.startswith("|")]
    return {row[0]: row for row in rows[2:]}


@pytest.mark.parametrize("state", list(TrialState))
def test_the_page_says_of_each_trial_state_what_the_code_does(state):
    _, _, finished, optuna, _, counted = table("Trials")[state]
    assert finished == ("yes" if state.is_finished() else "no")
    assert not state.is_finished() or optuna == optuna_state(state).name
    assert {name for name, count in counters({state: 1}).items() if count} == {"asked", counted} - {""}


def test_the_page_lists_the_states_that_there_are():
    assert set(table("Trials")) == set(TrialState)
    assert set(table("Studies")) == set(StudyState)
