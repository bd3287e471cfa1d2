"""The ledger, on SQLite and on PostgreSQL."""

import math
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from identities import identity
from sqlalchemy import Engine, create_engine, event, text

from retuner.errors import RetryableError, UserError
from retuner.search import tables
from retuner.search.ledger import Ledger
from retuner.search.records import Attempt, TrialRecord
from retuner.search.states import StudyState, TrialState

IDENTITY = identity(
    space={"x": {"type": "float", "low": 0.0, "high": 1.0, "log": False, "step": None}}, sampler="tpe", stopping="asha"
)
WHEN = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
TRIAL = TrialRecord(
    number=3,
    state=TrialState.COMPLETED,
    parameters={"x": 0.1 + 0.2, "kind": None, "n": 7, "on": True},
    value=0.1 + 0.2,
    metrics={"gain@1": 0.3},
    standard_errors={"gain@1": 0.01},
    reports=((10, 0.25), (20, 1 / 3)),
    attempts=(
        Attempt("s-t0003-a1", TrialState.LOST, started=WHEN, ended=WHEN, node="n1", reason="lost: the worker died"),
        Attempt("s-t0003-a2", TrialState.COMPLETED, started=WHEN),
    ),
    seconds=1.5,
    message="a message",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    new_database: Callable[[], str] = request.getfixturevalue("postgres_server")
    return new_database()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger(url) as opened:
        yield opened


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def execute(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_trial_comes_back_as_it_was_written(ledger):
    study = ledger.open_study(IDENTITY, "FAQ", trials=4)
    ledger.write_trials(study.name, [TRIAL])
    assert ledger.trials(study.name) == [TRIAL]


def test_a_value_that_is_no_number_comes_back_as_nan(ledger):
    study = ledger.open_study(IDENTITY, "FAQ", trials=4)
    ledger.write_trials(study.name, [replace(TRIAL, reports=((1, math.nan), (2, 0.5)), metrics={"m": math.inf})])
    reports = ledger.trials(study.name)[0].reports
    assert math.isnan(reports[0][1])
    assert reports[1] == (2, 0.5)


def test_a_written_trial_makes_its_study_the_latest_to_change(ledger):
    study = ledger.open_study(IDENTITY, "FAQ", trials=4)
    ledger.write_trials(study.name, [TRIAL])
    assert ledger.study(study.name).updated > study.updated


def test_writing_a_trial_again_replaces_it(ledger):
    study = ledger.open_study(IDENTITY, "FAQ", trials=4)
    ledger.write_trials(study.name, [TrialRecord(n, TrialState.ASKED, {"x": 0.5}) for n in (1, 0)])
    ledger.write_trials(study.name, [TrialRecord(1, TrialState.FAILED, {"x": 0.5}, message="ValueError: no")])
    assert [(t.number, t.state, t.message) for t in ledger.trials(study.name)] == [
        (0, TrialState.ASKED, None),
        (1, TrialState.FAILED, "ValueError: no"),
    ]


def test_no_write_is_compiled_twice(ledger):
    seen: list[tuple[str, str]] = []
    study = ledger.open_study(IDENTITY, "FAQ", trials=4)
    ledger.write_trials(study.name, [replace(TRIAL, number=0), replace(TRIAL, number=1)])

    def note(connection, cursor, statement, parameters, context, many):
        seen.append((statement.split()[0], context.cache_hit.name))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        ledger.write_trials(study.name, [replace(TRIAL, number=0), replace(TRIAL, number=1)])
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert seen == [("INSERT", "CACHE_HIT"), ("UPDATE", "CACHE_HIT")]


def test_a_study_comes_back_with_all_that_the_flow_wrote(ledger):
    study = ledger.open_study(IDENTITY, "FAQ", trials=4, parameters={"seed": 0, "nested": {"a": [1]}})
    ledger.update_study(study.name, target={"nodes": 2, "minimum_before": 0})
    ledger.write_stage(study.name, "search", {"best_trial": 3})
    ledger.write_stage(study.name, "retrain", {"job": "final"})
    ledger.update_study(study.name, state=StudyState.FINISHED, message="all done")
    read = ledger.study(study.name)
    assert read.target == {"nodes": 2, "minimum_before": 0}
    assert read.stages == {"search": {"best_trial": 3}, "retrain": {"job": "final"}}
    assert (read.state, read.message, read.trials) == (StudyState.FINISHED, "all done", 4)
    assert read.identity == IDENTITY
    assert read.parameters == {"seed": 0, "nested": {"a": [1]}}
    assert read.created == study.created < read.updated


def test_studies_are_listed_newest_first_with_their_counters_and_best(ledger):
    first = ledger.open_study(IDENTITY, "FAQ", trials=4)
    ledger.write_trials(
        first.name,
        [
            replace(TRIAL, number=0, value=0.5),
            replace(TRIAL, number=1, value=0.7),
            replace(TRIAL, number=2, state=TrialState.PRUNED, value=0.9),
            replace(TRIAL, number=3, state=TrialState.FAILED, value=None),
            replace(TRIAL, number=4, state=TrialState.RUNNING, value=None),
            replace(TRIAL, number=5, state=TrialState.CANCELLED, value=None),
        ],
    )
    second = ledger.open_study(replace(IDENTITY, direction="minimize"), "FAQ", trials=4)
    ledger.write_trials(second.name, [replace(TRIAL, number=n, value=v) for n, v in ((0, 0.5), (1, 0.2))])
    third = ledger.open_study(IDENTITY, "Other", trials=4)
    listed = ledger.studies()
    assert [line.study.name for line in listed] == [third.name, second.name, first.name]
    assert [line.best for line in listed] == [None, 0.2, 0.7]
    assert listed[2].counters == {"asked": 6, "running": 1, "completed": 2, "pruned": 1, "failed": 1}
    assert listed[0].counters == {"asked": 0, "running": 0, "completed": 0, "pruned": 0, "failed": 0}
    assert [line.study.name for line in ledger.studies("Other")] == [third.name]


def test_an_unfinished_study_of_the_same_identity_is_continued(ledger):
    first = ledger.open_study(IDENTITY, "FAQ", trials=4)
    again = ledger.open_study(IDENTITY, "FAQ", trials=9, parameters={"new": 1})
    assert first.name == again.name == f"FAQ-{IDENTITY.fingerprint[:8]}-1"
    assert ledger.study(first.name).trials == 9
    assert ledger.study(first.name).parameters == {"new": 1}


@pytest.mark.parametrize("state", [StudyState.FINISHED, StudyState.FAILED])
def test_after_a_study_has_ended_the_next_number_is_opened(ledger, state):
    first = ledger.open_study(IDENTITY, "FAQ", trials=4)
    ledger.update_study(first.name, state=state)
    assert ledger.open_study(IDENTITY, "FAQ", trials=4).name == first.name[:-1] + "2"
    assert ledger.open_study(IDENTITY, "Other", trials=4).number == 1


@pytest.mark.parametrize("field", ["dataset", "recipe", "snapshot", "metric", "sampler", "stopping"])
def test_the_fingerprint_covers_what_decides_the_trials(field):
    assert replace(IDENTITY, **{field: "another"}).fingerprint != IDENTITY.fingerprint
    assert replace(IDENTITY, seed=1).fingerprint != IDENTITY.fingerprint
    assert replace(IDENTITY, space={}).fingerprint != IDENTITY.fingerprint
    assert replace(IDENTITY).fingerprint == IDENTITY.fingerprint


def test_resume_takes_the_named_study(ledger):
    first = ledger.open_study(IDENTITY, "FAQ", trials=4)
    assert ledger.open_study(IDENTITY, "FAQ", trials=4, resume=first.name).name == first.name


def test_resume_says_what_differs(ledger):
    first = ledger.open_study(IDENTITY, "FAQ", trials=4)
    with pytest.raises(UserError, match=r"differ: dataset \(sample-0a1b, now other\); seed \(0, now 5\)\. Set them"):
        ledger.open_study(replace(IDENTITY, seed=5, dataset="other"), "FAQ", trials=4, resume=first.name)


def test_resume_of_what_cannot_be_resumed_is_refused_with_the_reason(ledger):
    with pytest.raises(UserError, match="There is no study 'FAQ-1': the ledger is empty"):
        ledger.open_study(IDENTITY, "FAQ", trials=4, resume="FAQ-1")
    first = ledger.open_study(IDENTITY, "FAQ", trials=4)
    with pytest.raises(UserError, match=f"There is no study 'FAQ-1': the newest are {first.name}"):
        ledger.open_study(IDENTITY, "FAQ", trials=4, resume="FAQ-1")
    with pytest.raises(UserError, match="belongs to the model FAQ, not to Other"):
        ledger.open_study(IDENTITY, "Other", trials=4, resume=first.name)
    ledger.update_study(first.name, state=StudyState.FINISHED)
    with pytest.raises(UserError, match="is finished and cannot be resumed"):
        ledger.open_study(IDENTITY, "FAQ", trials=4, resume=first.name)


WRITER = """
import sys
from dataclasses import replace
from retuner.search.ledger import Ledger
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState
ledger, study = Ledger(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
for number in range(200):
    trial = TrialRecord(number, TrialState.RUNNING, {"x": 0.5}, reports=((1, 0.5),))
    ledger.write_trials(study, [trial])
    ledger.write_trials(study, [replace(trial, state=TrialState.COMPLETED, value=0.5)])
"""


def test_a_reader_sees_a_consistent_ledger_while_another_process_writes(ledger, url):
    study = ledger.open_study(IDENTITY, "FAQ", trials=200)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url, study.name], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "ready\n"
    seen = []
    while writer.poll() is None:
        counters = ledger.studies()[0].counters
        assert counters["asked"] == counters["running"] + counters["completed"]
        assert counters["running"] <= 1
        seen.append(counters["asked"])
    writer.stdout.close()
    assert writer.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert ledger.studies()[0].counters["completed"] == 200


def test_processes_that_open_a_new_ledger_at_once_do_not_disturb_each_other(url):
    script = "import sys; from retuner.search.ledger import Ledger; Ledger(sys.argv[1]).studies()"
    openers = [subprocess.Popen([sys.executable, "-c", script, url], stderr=subprocess.PIPE) for _ in range(4)]
    assert [(opener.communicate()[1], opener.returncode) for opener in openers] == [(b"", 0)] * 4


def test_a_ledger_of_another_version_is_refused(url):
    Ledger(url).close()
    execute(url, "UPDATE retuner_ledger SET version = 99")
    with pytest.raises(UserError, match="has the schema version 99, and this retuner writes 1"):
        Ledger(url)


def test_a_locked_ledger_may_be_tried_again(sqlite_url, monkeypatch):
    monkeypatch.setattr(tables, "BUSY_SECONDS", 0.05)
    with Ledger(sqlite_url) as ledger:
        study = ledger.open_study(IDENTITY, "FAQ", trials=4)
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RetryableError, match="cannot be reached at the moment: database is locked"):
            ledger.write_trials(study.name, [TRIAL])
        assert ledger.trials(study.name) == []
        other.close()
        ledger.write_trials(study.name, [TRIAL])


def test_a_full_disk_is_named_and_nothing_is_half_written(sqlite_url):
    def limit_pages(connection, _record):
        connection.execute("PRAGMA max_page_count=30")

    event.listen(Engine, "connect", limit_pages)
    try:
        with Ledger(sqlite_url) as ledger:
            study = ledger.open_study(IDENTITY, "FAQ", trials=4)
            big = [replace(TRIAL, number=number, message="x" * 5000) for number in range(40)]
            with pytest.raises(UserError, match="the disk is full: make room, then start again with --resume"):
                ledger.write_trials(study.name, big)
            assert ledger.trials(study.name) == []
    finally:
        event.remove(Engine, "connect", limit_pages)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("these are not the records you are looking for" * 50)
    with pytest.raises(UserError, match=r"ledger.sqlite is damaged \(file is not a database\)"):
        Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")


@pytest.mark.parametrize("url", ["mysql://host/db", "nonsense", "postgresql+nodriver://host/db"])
def test_an_address_that_cannot_be_used_is_answered_with_the_known_ones(url):
    with pytest.raises(UserError, match="RETUNER_LEDGER_URL must look like"):
        Ledger(url)


def test_a_server_that_is_not_there_may_be_tried_again(tmp_path):
    with pytest.raises(RetryableError, match="cannot be reached at the moment"):
        Ledger(f"postgresql+psycopg://somebody:secret@/nothing?host={tmp_path}")


@pytest.mark.parametrize(
    "words", ["failed to resolve host 'db': [Errno -3] Temporary failure", "connection timeout expired"]
)
def test_a_server_that_cannot_be_found_at_the_moment_may_be_tried_again(monkeypatch, words):
    import psycopg

    def connect(*_arguments, **_options):
        raise psycopg.OperationalError(words)

    monkeypatch.setattr(psycopg, "connect", connect)
    with pytest.raises(RetryableError, match="cannot be reached at the moment"):
        Ledger("postgresql+psycopg://somebody@db/ledger")


def test_a_database_that_does_not_exist_is_the_persons_business(postgres_server):
    url = postgres_server().replace("/db", "/nosuchdb")
    with pytest.raises(UserError, match=r"refuses us .*does not exist"):
        Ledger(url)


def test_no_message_shows_a_piece_of_a_url_that_cannot_be_read():
    with pytest.raises(UserError, match="a part of it is not as it should be") as caught:
        Ledger("postgresql+psycopg://somebody@host:secret/db")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_message_shows_the_password(tmp_path):
    with pytest.raises(RetryableError) as caught:
        Ledger(f"postgresql+psycopg://somebody:secret@/nothing?host={tmp_path}")
    assert "secret" not in str(caught.value)
