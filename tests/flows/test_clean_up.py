"""The flow clean-up, after a retune from the command line was killed: no worker is there to tell of its end."""

import json
import signal
import subprocess
import sys
import time

import pytest
from retune_command import Retune, ask_api, wait_until

CLEAN_UP = (
    "import sys; from datetime import timedelta; "
    "from flows.clean_up import clean_up; from tasks import clean_up as tasks; "
    "tasks.CANCELLING_LIMIT = timedelta(minutes=float(sys.argv[1])); print(clean_up(return_state=True).message)"
)
NEWEST = {"flow_runs": {"name": {"like_": "retune-"}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 1}


def clean_up(retune: Retune, *, cancelling_minutes: float = 10) -> str:
    """The last message of one clean-up in that home; a flow run may be Cancelling for so long."""
    environment = {**retune.environment, "PREFECT_HOME": str(retune.folder / "prefect")}
    done = subprocess.run(
        [sys.executable, "-c", CLEAN_UP, str(cancelling_minutes)],
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
    process, run = in_mid_search(retune)
    assert "Nothing was left behind" in clean_up(retune)  # it is alive
    process.kill()
    process.communicate()

    deadline = time.monotonic() + 300
    this = {"flow_runs": {"id": {"any_": [run]}}}
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
        assert time.monotonic() < deadline
        assert "Nothing was left behind" in clean_up(retune)
    assert "Nothing was left behind" in clean_up(retune)


def in_mid_search(retune: Retune) -> tuple["subprocess.Popen[str]", str]:
    """A retune from the command line, and its flow run."""
    process = retune.start(*retune.search(trials=60, space={"delay": 1}))
    wait_until(lambda: retune.trainings() >= 3, "three trainings")
    [lock] = (retune.home / "flow-runs").glob("*.lock")
    return process, lock.stem


def cancel(api: str, run: str, state: str = "CANCELLING") -> None:
    """As the UI's button does."""
    ask_api(api, f"flow_runs/{run}/set_state", {"state": {"type": state}})


def test_a_killed_study_is_cleaned_up_and_told_where_the_flow_runs_cannot_be_ended(retune):
    process, _ = in_mid_search(retune)
    process.kill()
    process.communicate()
    odd = retune.home / "flow-runs" / "no-uuid.lock"  # what asks Prefect for it fails
    odd.touch()
    told = clean_up(retune)
    study = retune.status()[0]
    assert told.startswith("ValidationError: ")
    assert f"continue with: retune run --resume {study['study']}" in told
    assert study["trials"]["running"] == 0
    odd.unlink()
    assert "The flow run retune-FAQ_ranker had no process any more" in clean_up(retune)


@pytest.mark.parametrize("state", ["CANCELLING", "CANCELLED"])
def test_a_retune_from_the_command_line_that_is_cancelled_in_the_ui_stops_as_at_a_signal(retune, api, state):
    process, run = in_mid_search(retune)
    cancel(api, run, state)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "retune run --resume" in err
    assert state_of(api, run) == "CANCELLED"
    [study] = retune.status()
    assert (study["state"], study["trials"]["running"]) == ("open", 0)
    assert "Nothing was left behind" in clean_up(retune)
    resumed = json.loads(retune("run", "--resume", "--trials", "5", "--json").stdout)
    assert resumed["study"] == study["study"]


def test_a_flow_run_that_hangs_in_cancelling_ends_cancelled_and_one_with_a_process_is_left(retune, api):
    flow = ask_api(api, "flows/", {"name": "retune"})["id"]
    elsewhere = ask_api(api, "flow_runs/", {"flow_id": flow, "state": {"type": "RUNNING"}})["id"]
    process, here = in_mid_search(retune)
    process.send_signal(signal.SIGSTOP)  # it is there, and hears of nothing
    both = (here, elsewhere)
    for run in both:
        cancel(api, run)
    assert "Nothing was left behind" in clean_up(retune)
    assert [state_of(api, run) for run in both] == ["CANCELLING", "CANCELLING"]

    told = clean_up(retune, cancelling_minutes=0)
    assert told.count("had no process any more") == 1
    assert [state_of(api, run) for run in both] == ["CANCELLING", "CANCELLED"]
    assert process.poll() is None

    process.kill()
    process.communicate()
    assert "The flow run retune-FAQ_ranker had no process any more" in clean_up(retune)
    assert state_of(api, here) == "CANCELLED"
    assert retune.status()[0]["trials"]["running"] == 0


def state_of(api: str, run: str) -> str:
    return str(ask_api(api, f"flow_runs/{run}")["state_type"])
