"""The flow clean-up, after a retune from the command line was killed: no worker is there to tell of its end."""

import subprocess
import sys
import time

from retune_command import Retune, ask_api

CLEAN_UP = "from flows.clean_up import clean_up; print(clean_up(return_state=True).message)"
NEWEST = {"flow_runs": {"name": {"like_": "retune-"}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 1}


def clean_up(retune: Retune) -> str:
    """The last message of one clean-up in that home."""
    environment = {**retune.environment, "PREFECT_HOME": str(retune.folder / "prefect")}
    done = subprocess.run(
        [sys.executable, "-c", CLEAN_UP],
        env=environment,
        cwd=retune.folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(api: str, path: str, query: dict) -> set[str]:
    return {one["state_type"] for one in ask_api(api, path, query)}


def test_a_flow_run_that_ended_as_it_should_is_no_dead_one_whatever_its_lock_says(retune, api):
    assert retune(*retune.search(trials=1)).returncode == 0
    [run] = ask_api(api, "flow_runs/filter", NEWEST)
    lock = retune.home / "flow-runs" / f"{run['id']}.lock"
    assert not lock.exists()
    lock.touch()
    assert "Nothing was left behind" in clean_up(retune)
    assert not lock.exists()


def test_a_killed_flow_run_is_ended_and_its_study_is_left_to_be_resumed(retune, api):
    process = retune.start(*retune.search(trials=60, space={"delay": 1}))
    deadline = time.monotonic() + 120
    while retune.trainings() < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [lock] = (retune.home / "flow-runs").glob("*.lock")
    assert "Nothing was left behind" in clean_up(retune)  # it is alive
    process.kill()
    process.communicate()

    this = {"flow_runs": {"id": {"any_": [lock.stem]}}}
    assert retune.status()[0]["trials"]["running"] > 0
    told = clean_up(retune)
    study = retune.status()[0]
    assert "The flow run retune-FAQ_ranker had no process any more." in told
    assert "Its last log lines:\n    " in told
    assert f"continue with: retune run --resume {study['study']}" in told
    assert (study["state"], study["trials"]["running"]) == ("open", 0)
    assert states(api, "flow_runs/filter", this) == {"CRASHED"}
    # the server may write what it was told before the kill after that: the next clean-up ends it as well
    while states(api, "task_runs/filter", this) & {"RUNNING", "PENDING"}:
        assert time.monotonic() < deadline + 300
        assert "Nothing was left behind" in clean_up(retune)
    assert "Nothing was left behind" in clean_up(retune)
