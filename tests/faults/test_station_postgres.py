"""Everything that `retune up` starts with both of its databases on PostgreSQL, as docs/operations.md says."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from station import Station, marked
from what_holds import assert_all_holds, what_is_kept


@pytest.fixture
def on_postgres(postgres_server: Callable[[], str], tmp_path: Path) -> Iterator[Station]:
    station = Station(tmp_path)
    station.retune.environment |= {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres_server().replace("+psycopg", "+asyncpg"),
        "RETUNER_LEDGER_URL": postgres_server(),
    }
    station.write_deployments(crons={"every-15-minutes": "0 0 1 1 *"})
    station.up()
    yield station
    station.down()


@pytest.mark.long
def test_a_killed_flow_run_is_cleaned_up_and_its_study_finished_on_postgresql(on_postgres: Station):
    station = on_postgres
    run = station.in_mid_search(trials=12, seed=31)
    study = station.retune.status()[0]["study"]
    killed = station.worker().children(recursive=True)
    for process in killed:
        process.kill()
    psutil.wait_procs(killed)
    assert station.wait_for(run)["state_type"] == "CRASHED"
    kept = what_is_kept(station.retune)
    station.wait_for(station.trigger("clean-up/every-15-minutes"))
    # that of the minute may have come between the study and its flow run, and then each tells of one
    wanted = {"tags": {"all_": ["clean-up"]}, "state": {"name": {"any_": ["CleanedUp"]}}}
    told = [one["state"]["message"] for one in station.call("POST", "flow_runs/filter", {"flow_runs": wanted})]
    assert f"continue with: retune run --resume {study}" in "\n".join(told)
    following = station.wait_for(station.trigger("retune/local", search={"trials": 12, "seed": 31}))
    assert following["state_type"] == "COMPLETED", following["state"]["message"]
    assert_all_holds(station.retune, kept, trials=12)
    assert not list(station.retune.home.rglob("ledger.sqlite")) + list(station.retune.home.rglob("prefect.db"))
    station.down()
    assert marked(station.retune.home) == []
