"""`retune watch` and `retune report` as commands: what they print, and what they say to bad input."""

import json
import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from retune_command import Retune
from test_bad_input import refused
from told_study import FAILED, RUNNING, just_now, told_study, told_trial, told_trials

from cli.main import main
from retuner.search.lease import hold_lease
from retuner.search.ledger import Ledger
from retuner.search.states import StudyState
from retuner.settings import read_settings


@pytest.fixture
def retune(tmp_path) -> Retune:
    """The command in a home of its own; no Prefect server is needed."""
    return Retune(tmp_path)


@pytest.fixture
def ledger(retune):
    with Ledger(read_settings({"RETUNER_HOME": str(retune.home)}).ledger_url) as ledger:
        yield ledger


@pytest.fixture
def study(ledger):
    study = told_study(ledger)
    ledger.write_trials(study.name, just_now([*told_trials(4), told_trial(4, FAILED, message="ValueError: no")]))
    return study


def test_a_trial_that_was_at_work_when_its_process_died_is_cut_off(retune, ledger, study):
    ledger.write_trials(study.name, just_now([told_trial(5, RUNNING)]))
    shown = retune("watch").stdout
    assert "cut off 1" in shown
    assert "running" not in shown


def test_without_a_terminal_the_view_is_printed_once(retune, study):
    done = retune("watch")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{study.name}  interrupted" in done.stdout
    assert "5 of 8 ended" in done.stdout
    assert "\x1b" not in done.stdout


def test_json_is_one_document(retune, study):
    document = json.loads(retune("watch", study.name, "--json").stdout)
    assert (document["study"], document["phase"], document["trials"]["failed"]) == (study.name, "interrupted", 1)


def test_the_study_of_another_machine_is_found_where_they_share_a_server(retune, postgres_server):
    retune.environment["RETUNER_LEDGER_URL"] = postgres_server()
    with Ledger(retune.environment["RETUNER_LEDGER_URL"]) as ledger:
        study = told_study(ledger)
        ledger.write_trials(study.name, just_now(told_trials(4)))
        document = json.loads(retune("watch", "--json").stdout)
        words = retune("watch", "--once").stdout
    assert (document["study"], document["trials"]["ended"]) == (study.name, 4)
    assert "4 of 8 ended" in words


def test_a_terminal_is_kept_up_to_date_until_the_study_ends(retune, ledger, study):
    settings = read_settings({"RETUNER_HOME": str(retune.home)})
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "cli.main", "watch"]
    environment = {**retune.environment, "TERM": "xterm", "COLUMNS": "100"}
    with hold_lease("FAQ_ranker", settings):
        ledger.write_trials(study.name, just_now([told_trial(5, RUNNING)]))
        process = subprocess.Popen(command, env=environment, cwd=retune.folder, stdout=terminal, stderr=terminal)
        os.close(terminal)
        seen = read_until(screen, "searching")
        assert "trial 5" in read_until(screen, "trial 5", seen)
        ledger.update_study(study.name, state=StudyState.FINISHED, message="The new model is better.")
        seen = read_until(screen, "The new model is better.")
    assert process.wait(timeout=60) == 0
    assert "finished" in seen


def read_until(screen: int, words: str, seen: str = "") -> str:
    """What the terminal shows until the words are there."""
    while words not in seen:
        seen += os.read(screen, 65536).decode()
    return seen


def test_the_report_is_made_anew_from_ledger_and_store(retune, study):
    done = retune("report", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["study"] == study.name
    assert document["report"] == document["stored"] == str(retune.home / "store" / "reports" / f"{study.name}.html")
    assert study.name in Path(document["report"]).read_text()


def test_the_report_is_written_where_one_wants_it(retune, study):
    done = retune("report", study.name, "--output", "here/report.html", "--open", "no")
    assert done.stdout == f"Report: {retune.folder / 'here' / 'report.html'}\n"
    assert (retune.folder / "here" / "report.html").read_text().startswith("<!doctype html>")


def test_the_browser_is_opened_where_it_is_asked_for(retune, study, monkeypatch, capsys):
    opened = []
    monkeypatch.setenv("RETUNER_HOME", str(retune.home))
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or bool(opened[1:]))
    assert main(["report", "--open", "yes"]) == 1
    assert "There is no browser" in capsys.readouterr().err
    assert main(["report", "--open", "yes"]) == 0
    assert opened[1] == (retune.home / "store" / "reports" / f"{study.name}.html").as_uri()
    assert main(["report"]) == 0
    assert len(opened) == 2  # stdout is no terminal


@pytest.mark.parametrize("command", ["watch", "report"])
def test_an_unknown_study_and_none_at_all_are_one_sentence(retune, command):
    assert "There is no study yet: start one with: retune run" in refused(retune, command)
    assert "There is no study 'nothing': the ledger is empty" in refused(retune, command, "nothing")


def test_an_empty_study_can_be_watched_but_not_reported(retune, ledger):
    study = told_study(ledger)
    assert "0 of 8 ended" in retune("watch").stdout
    assert f"The study {study.name} has no trial yet" in refused(retune, "report")
    assert not (retune.home / "store").exists()


@pytest.mark.parametrize("command", ["watch", "report"])
def test_a_ledger_of_another_version_is_one_sentence(retune, ledger, study, command):
    ledger.close()
    with sqlite3.connect(retune.home / "ledger.sqlite") as database:
        database.execute("UPDATE retuner_ledger SET version = 99")
    assert "has the schema version 99" in refused(retune, command, study.name)


def test_a_block_is_looked_for_on_our_server_and_nothing_is_written_to_anybodys_home(retune, ledger):
    told_study(ledger, storage={"kind": "blob", "container": "abc", "block": "retuner-blob-sas/nobody"})
    assert "There is no usable block retuner-blob-sas/nobody" in refused(retune, "report")
    assert (retune.home / "prefect" / "prefect.db").exists()
    assert not (retune.home / "prefect" / "server.json").exists()
    assert not (retune.folder / ".prefect").exists()


def test_a_folder_is_no_file_for_a_report(retune, study):
    assert "is a folder: name a file for the report" in refused(retune, "report", "--output", ".", "--open", "no")


def test_what_is_shown_needs_none_of_the_heavy_libraries_to_start(retune):
    """`ask` and `--help` start fast, and a notebook's import too."""
    heavy = "{'matplotlib', 'optuna', 'prefect', 'IPython', 'jinja2', 'pandas', 'rich', 'sqlalchemy'}"
    code = f"import sys, retuner, cli.main; cli.main.build_parser(); print({heavy} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=retune.environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
