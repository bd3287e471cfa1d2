"""How a flow run ends where something goes wrong before its work begins, or after its model is registered."""

from typing import Any

import pytest
from webhook import BLOCK, Webhook

import flows.retune
from retuner.errors import RetryableError
from retuner.parameters import BlobStorage, DaskCompute, Notify, Search
from retuner.search.ledger import Ledger


@pytest.fixture
def state_of(api, tmp_path, monkeypatch):
    """Runs the flow in this process, on the shared server; returns the flow run's state."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("RETUNER_HOME", str(tmp_path / "retuner"))

    def run(**parameters: Any) -> Any:
        with temporary_settings({PREFECT_API_URL: api}):
            return flows.retune.retune(recipe="toy_recipe.recorded:recipe", **parameters, return_state=True)

    return run


def test_credentials_that_are_not_there_end_the_flow_run_with_one_sentence(state_of):
    state = state_of(storage=BlobStorage(container="retuner", block="retuner-blob-sas/nowhere"))
    assert state.is_failed()
    assert state.message.startswith("UserError: There is no usable block retuner-blob-sas/nowhere: make it")


def test_a_scheduler_that_is_not_there_ends_the_flow_run_before_it_has_a_study(state_of, tmp_path):
    state = state_of(compute=DaskCompute(address="tcp://127.0.0.1:9"))
    assert state.is_failed()
    assert state.message.startswith("RetryableError: No Dask scheduler listens at tcp://127.0.0.1:9 (Connection")
    with Ledger(f"sqlite:///{tmp_path / 'retuner' / 'ledger.sqlite'}") as ledger:
        assert ledger.studies() == []


def test_a_ledger_that_fails_once_the_champion_is_registered_undoes_nothing(state_of, api, retune, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RetryableError("the ledger does not answer")

    register = flows.retune.register_winner

    def register_and_fail(*arguments: Any) -> Any:
        version = register(*arguments)
        for name in ("study", "trials", "update_study", "write_stage"):
            monkeypatch.setattr(Ledger, name, fail)
        return version

    monkeypatch.setattr(flows.retune, "register_winner", register_and_fail)
    space = {"steps": 6, "delay": 0, "fails_at": 0, "record": str(retune.record)}
    with_server = {**retune.environment, "PREFECT_HOME": str(retune.folder / "prefect")}
    hook = Webhook(with_server)
    state = state_of(
        search=Search(trials=2, sampler="random", stopping="none", space=space),
        compute=DaskCompute(nodes=1),
        notify=Notify(blocks=[BLOCK], events=["champion"]),
    )
    hook.close()
    assert state.is_completed(), state.message
    document = state.result()
    assert (document["model"]["champion"], document["trials"]["completed"], document["report"]) == (True, 2, None)
    assert document["cost"]["actual"]["total"]["node_hours"] > 0
    # the server's automations of other tests may use the same block
    assert hook.subjects().count("retuner: toy_recipe_recorded version 1 is the champion") == 1
