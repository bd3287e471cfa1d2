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
from what_holds import assert_only_whole_entries, shortened

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
    completed, finished = progress(retune)
    trained = retune.trainings()
    assert_only_whole_entries(retune.home)

    done = retune(*retune.search("--json", trials=TRIALS))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["trials"] == {"asked": TRIALS, "completed": TRIALS, "pruned": 0, "failed": 0}
    if not finished:
        assert retune.trainings() - trained <= (TRIALS - completed) + 1  # and the final training
        assert len(retune.status()) == 1
    assert_only_whole_entries(retune.home)
    answer = retune("ask", "anything", "--json")
    assert json.loads(answer.stdout)["model"]["version"] == "1"


def progress(retune: Retune) -> tuple[int, bool]:
    """Trials that the ledger calls completed, and whether the study was finished before the kill."""
    studies = retune.status() if (retune.home / "ledger.sqlite").exists() else []
    return (studies[0]["trials"]["completed"], studies[0]["state"] == "finished") if studies else (0, False)
