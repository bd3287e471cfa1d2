"""kill -9 of the flow's process at any moment: nothing completed is lost or done twice, and a fresh start finishes.

The moments are the writes to ledger, store, dataset and registry, before and after each: two of them in `make test`,
twenty in `make faults`, drawn from all stages by their number.
"""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from retune_command import Retune
from what_holds import assert_all_holds, assert_only_whole_entries, shortened, what_is_kept

MOMENTS = 20
CHOSEN = shortened(range(MOMENTS), (9, 19))
TRIALS = 4
KILLED_AT = Path(__file__).resolve().parent / "killed_at.py"


def retune_killed_at(retune: Retune, moment: int) -> tuple[int, str]:
    """Exit status and last words of a retune that is killed at that moment."""
    command = [sys.executable, str(KILLED_AT), str(moment), str(retune.folder / "moments")]
    process = subprocess.run(
        [*command, *retune.search(trials=TRIALS)], env=retune.environment, capture_output=True, text=True, timeout=300
    )
    return process.returncode, process.stderr[-2000:]


@pytest.fixture(scope="module")
def moments(api, tmp_path_factory) -> int:
    """How many there are in an undisturbed retune."""
    retune = Retune(tmp_path_factory.mktemp("undisturbed"), api)
    status, words = retune_killed_at(retune, -1)
    assert status == 0, words
    return int((retune.folder / "moments").read_text())


@pytest.fixture
def killed(request, moments, api, tmp_path_factory) -> Retune:
    """A home that a retune which was killed at its moment has left behind."""
    number = request.param
    share = 0.98 * (number + random.Random(number).random()) / MOMENTS
    for _ in range(5):
        retune = Retune(tmp_path_factory.mktemp(f"moment{number}"), api)
        status, words = retune_killed_at(retune, int(share * moments))
        if status == -signal.SIGKILL:
            return retune
        # several changes may share a write, so this one had fewer and came to its end
        assert status == 0, words
        moments = int((retune.folder / "moments").read_text())
    pytest.fail(f"moment {number} was never reached")


@pytest.mark.parametrize("killed", CHOSEN, indirect=True)
def test_a_killed_retune_loses_nothing_and_the_next_one_finishes(killed):
    retune = killed
    kept, final = what_is_kept(retune), retune.trainings() - retune.qualities().total()
    assert_only_whole_entries(retune)

    done = retune(*retune.search("--json", trials=TRIALS))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["trials"] == {"asked": TRIALS, "completed": TRIALS, "pruned": 0, "failed": 0}
    assert_all_holds(retune, kept, trials=TRIALS)
    if not kept.is_finished:
        assert retune.trainings() - retune.qualities().total() - final <= 1, "the final training was repeated"
        assert len(retune.status()) == 1
    answer = retune("ask", "anything", "--json")
    assert json.loads(answer.stdout)["model"]["version"] == "1"
