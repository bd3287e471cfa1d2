"""Fixtures that several folders of tests use."""

from collections.abc import Iterator

import pytest
from azurite import azurite, azurite_https
from browser import page
from postgres import postgres_server
from retune_command import Retune
from station import Station
from webhook import BLOCK, Webhook

from cli.prefect_server import prefect_server
from retuner.settings import read_settings

__all__ = ["azurite", "azurite_https", "page", "postgres_server"]


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Prefect API of the tests' own: starting one takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PREFECT_API_URL", "PREFECT_UI_URL", "PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED"):
            patch.delenv(name, raising=False)
        patch.delenv("DO_NOT_TRACK", raising=False)
        home = tmp_path_factory.mktemp("prefect")
        with prefect_server(read_settings({"RETUNER_HOME": str(home)})) as url:
            yield url


@pytest.fixture
def retune(tmp_path, api) -> Retune:
    """The command in a home of its own, on the shared Prefect server."""
    return Retune(tmp_path, api)


@pytest.fixture(scope="session")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """What `retune up` starts; its deployment retune/local retunes the toy recipe."""
    station = Station(tmp_path_factory.mktemp("station"))
    station.up()
    try:
        yield station
    finally:
        station.down()


@pytest.fixture(scope="module")
def webhook(station: Station, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """Where the station's deployments send what they tell, from now on."""
    own = {"PREFECT_API_URL": station.api, "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect"))}
    hook = Webhook({**station.retune.environment, **own})
    station.write_deployments(blocks=[BLOCK])
    station.up()
    yield hook
    hook.close()
