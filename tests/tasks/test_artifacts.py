"""What the Prefect UI shows while a search runs, on a real Prefect server."""

import gc
import json
import threading
import time
from types import SimpleNamespace

import pytest
from prefect import flow
from retune_command import ask_api

from retuner.errors import UserError
from tasks import artifacts
from tasks import search as search_tasks
from tasks.artifacts import LeaderboardArtifact, link_report


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def in_flow(api, monkeypatch):
    """Run a function in a flow run on the shared server; returns the artifacts that it made."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def run(step):
        with temporary_settings({PREFECT_API_URL: api}):
            state = flow(step, name="shows")(return_state=True)
        return ask_api(api, "artifacts/filter", {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}})

    return run


def test_the_leaderboard_is_one_table_that_is_replaced(in_flow):
    def search():
        board = LeaderboardArtifact("FAQ_ranker-ab-1")
        board.update([{"place": 1, "gain@1": 0.5}])
        wait_until(lambda: board._id is not None)
        board.finish([{"place": 1, "gain@1": 0.7}])
        board._writer._thread.join(timeout=60)

    (table,) = in_flow(search)
    assert table["key"] == "leaderboard-faq-ranker"
    assert json.loads(table["data"]) == [{"place": 1, "gain@1": 0.7}]


def test_a_server_that_hangs_neither_holds_up_the_end_nor_writes_older_content_last(monkeypatch):
    answers, written = threading.Event(), []

    class Slow(LeaderboardArtifact):
        def _write(self, rows):
            answers.wait(60)
            written.append(rows)

    monkeypatch.setattr(artifacts, "SECONDS_BETWEEN_UPDATES", 0.1)
    board = Slow("FAQ_ranker-ab-1")
    board.update(["first"])
    wait_until(board._writer._contents.empty)
    asked = threading.Thread(target=board.finish, args=(["last"],))
    asked.start()
    asked.join(timeout=30)
    assert not asked.is_alive()
    assert written == []
    answers.set()
    board._writer._thread.join(timeout=30)
    assert written == [["first"], ["last"]]


def test_a_search_that_cannot_begin_leaves_no_writer_and_no_object_uncollected(monkeypatch):
    left_out = [gc.get_freeze_count()]

    def refuse(*_):
        left_out.append(gc.get_freeze_count())
        raise UserError("no")

    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda **_: None)
    monkeypatch.setattr(search_tasks.stages, "make_coordinator", refuse)
    with pytest.raises(UserError):
        search_tasks.run_trials(None, SimpleNamespace(name="FAQ_ranker-ab-1"), SimpleNamespace(link=lambda _: None))
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "artifact-writer"])
    assert left_out[1] > left_out[0] + 100_000
    assert gc.get_freeze_count() == 0


def test_the_leaderboard_is_due_only_now_and_then(in_flow, monkeypatch):
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda **_: None)  # else it starts a server of its own
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
    (link,) = in_flow(lambda: link_report("FAQ_ranker-ab-1", location))
    assert link["key"] == "report-faq-ranker"
    assert f"({address})" in link["data"]
    assert f"`{location}`" in link["description"]
