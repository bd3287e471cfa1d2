"""A host that vanishes in mid-search, and clean-up on a second one with the same PostgreSQL ledger and Dask workers."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from compute_backends import scheduler, worker
from retune_command import Retune, wait_until
from sqlalchemy import create_engine, text
from what_holds import assert_all_holds, what_is_kept

TRIALS = 2
CLEAN_UP = "from flows.clean_up import clean_up; print(clean_up(return_state=True).message)"


def vanish(process: "subprocess.Popen[str]", ledger: str) -> None:
    """As the others see it: it says nothing more and keeps its connections to Dask; the database gives its own up."""
    process.send_signal(signal.SIGSTOP)
    engine = create_engine(ledger)
    with engine.connect() as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        connection.execute(text(f"{end} AND pid <> pg_backend_pid()"))
    engine.dispose()


@pytest.mark.long
def test_a_second_host_cleans_up_after_one_that_vanished_and_finishes_its_study(
    postgres_server: Callable[[], str], api: str, tmp_path: Path
):
    shared = {"RETUNER_LEDGER_URL": postgres_server(), "RETUNER_MLFLOW_URI": f"sqlite:///{tmp_path / 'mlflow.sqlite'}"}
    first, second = (Retune(tmp_path / name, api) for name in ("first", "second"))
    for host in (first, second):
        host.folder.mkdir()
        host.environment |= {**shared, "TOY_RECORD": str(tmp_path / "trainings.txt")}
        host.record = tmp_path / "trainings.txt"
    with ExitStack() as cluster:
        folder = tmp_path / "cluster"
        folder.mkdir()
        address = cluster.enter_context(scheduler(folder))
        for _ in range(2):
            cluster.enter_context(worker(address, folder))
        where = ("--address", address, "--folder", str(tmp_path / "store"))
        search = first.search(*where, "--json", trials=TRIALS, space={"delay": 4})
        process = first.start(*search)
        cluster.callback(process.communicate)
        cluster.callback(process.kill)
        wait_until(lambda: first.trainings() == TRIALS, "both trainings")
        vanish(process, shared["RETUNER_LEDGER_URL"])

        environment = {**second.environment, "PREFECT_HOME": str(second.folder / "prefect")}
        done = subprocess.run(
            [sys.executable, "-c", CLEAN_UP], env=environment, cwd=second.folder, capture_output=True, text=True
        )
        study = second.status()[0]
        assert f"{study['study']}: 2 trials without a process, 2 jobs stopped" in done.stdout, done.stderr
        assert (study["state"], study["trials"]["running"]) == ("open", 0)
        process.kill()
        kept = what_is_kept(second)

        done = second(*search)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["study"] == study["study"]
        assert_all_holds(second, kept, trials=TRIALS)
        assert second.trainings() == 2 * TRIALS + 1  # once here and there, and the final training
