"""What the Prefect UI shows while a search runs, on a real Prefect server."""

import json

import pytest
from prefect import flow
from retune_command import ask_api

from tasks import artifacts
from tasks.artifacts import LeaderboardArtifact, link_report


@pytest.fixture
def in_flow(api, monkeypatch):
    """Run a function in a flow run on the shared server; returns the artifacts that it made, by key."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def run(step):
        with temporary_settings({PREFECT_API_URL: api}):
            state = flow(step, name="shows")(return_state=True)
        made = ask_api(api, "artifacts/filter", {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}})
        return {one["key"]: one for one in made}

    return run


def test_the_leaderboard_is_one_table_that_is_replaced(in_flow):
    def search():
        board = LeaderboardArtifact("FAQ_ranker-ab-1")
        for best in (0.5, 0.6, 0.7):
            board.update([{"place": 1, "gain@1": best}])

    (table,) = in_flow(search).values()
    assert table["key"] == "leaderboard-faq-ranker"
    assert json.loads(table["data"]) == [{"place": 1, "gain@1": 0.7}]


def test_the_leaderboard_is_due_only_now_and_then(in_flow, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(artifacts.time, "monotonic", lambda: clock[0])
    board = LeaderboardArtifact("FAQ_ranker-ab-1")
    assert not board.is_due()
    clock[0] += artifacts.SECONDS_BETWEEN_LEADERBOARDS
    assert board.is_due()
    board.update([])
    assert not board.is_due()


@pytest.mark.parametrize(
    ("location", "address"),
    [("/home/me/a b.html", "file:///home/me/a%20b.html"), ("https://a.example/r.html", "https://a.example/r.html")],
)
def test_the_report_is_linked_and_its_place_told(in_flow, location, address):
    (link,) = in_flow(lambda: link_report("FAQ_ranker-ab-1", location)).values()
    assert link["key"] == "report-faq-ranker"
    assert f"({address})" in link["data"]
    assert f"`{location}`" in link["description"]
