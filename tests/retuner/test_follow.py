"""Watching a study of another process: from the ledger alone, until it ends."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import nbformat
import pytest
from IPython.display import HTML
from nbclient import NotebookClient
from told_study import IDENTITY, told_study, told_trial

from retuner.errors import RetryableError, UserError
from retuner.search.follow import follow, look
from retuner.search.lease import hold_lease
from retuner.search.ledger import Ledger
from retuner.search.states import StudyState
from retuner.search.view import Phase
from retuner.settings import Settings, read_settings
from retuner.watch import THREAD, keep_up

TESTS = Path(__file__).resolve().parent.parent

# opens a study, and then ends a trial whenever it is sent a line; at the end of its input the study is finished
WORKER = """
import sys
from retuner.search.lease import hold_lease
from retuner.search.follow import follow
from retuner.search.ledger import Ledger
from retuner.search.states import StudyState
from retuner.settings import read_settings
from told_study import told_study, told_trial
settings = read_settings()
with Ledger(settings.ledger_url) as ledger, hold_lease("FAQ_ranker", settings):
    study = told_study(ledger)
    print(study.name, flush=True)
    for number, _ in enumerate(sys.stdin):
        ledger.write_trials(study.name, [told_trial(number, value=number / 10)])
        print(number, flush=True)
    ledger.update_study(study.name, state=StudyState.FINISHED, message="The new model is better.")
"""


@pytest.fixture
def settings(tmp_path) -> Settings:
    return read_settings({"RETUNER_HOME": str(tmp_path)})


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request, tmp_path) -> Settings:
    """Of another process on this machine and, as PostgreSQL holds the ledger, of one on any machine."""
    if request.param == "sqlite":
        return read_settings({"RETUNER_HOME": str(tmp_path)})
    url = request.getfixturevalue("postgres_server")()
    return read_settings({"RETUNER_HOME": str(tmp_path), "RETUNER_LEDGER_URL": url})


def elsewhere(settings: Settings) -> Settings:
    """What the machine knows that looks on: of the files of the other one nothing, where they share a server."""
    return replace(settings, home=settings.home / "other") if "postgresql" in settings.ledger_url else settings


@contextmanager
def worker(settings: Settings) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Another process that works on a study, and the study's name."""
    ledger = {"RETUNER_HOME": str(settings.home), "RETUNER_LEDGER_URL": settings.ledger_url}
    environment = {**ledger, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WORKER], env=environment, **pipes) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def end_a_trial(process: "subprocess.Popen[str]") -> None:
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()


def test_a_study_of_another_process_is_followed_to_its_end(anywhere):
    with worker(anywhere) as (process, name):
        views = follow(None, elsewhere(anywhere), seconds=0.01)
        first = next(views)
        assert (first.study.name, first.phase, first.ended) == (name, Phase.SEARCHING, 0)
        end_a_trial(process)
        end_a_trial(process)
        second = next(views)
        assert (second.ended, second.curve) == (2, (0.0, 0.1))
        process.stdin.close()
        *_, last = views
        assert (last.phase, last.study.message) == (Phase.FINISHED, "The new model is better.")


def test_a_study_whose_process_was_killed_is_shown_once_and_not_waited_for(anywhere):
    with worker(anywhere) as (process, name):
        end_a_trial(process)
        process.kill()
        process.wait()
        (only,) = follow(name, elsewhere(anywhere))
    assert (only.phase, only.ended) == (Phase.INTERRUPTED, 1)


def test_a_study_that_ends_between_two_looks_at_it_was_not_interrupted(settings, monkeypatch):
    """The process ends the study and then gives the lease back: who has read the study before finds it free."""
    with Ledger(settings.ledger_url) as ledger:
        study = told_study(ledger)

        def end_meanwhile(*_: object) -> bool:
            ledger.update_study(study.name, state=StudyState.FINISHED, message="The new model is better.")
            return False

        monkeypatch.setattr("retuner.search.follow.is_held", end_meanwhile)
        assert look(ledger, study.name, settings).phase is Phase.FINISHED


def test_an_older_study_of_a_model_at_work_is_not_alive(settings):
    with Ledger(settings.ledger_url) as ledger:
        old = told_study(ledger, identity=replace(IDENTITY, seed=7))
    with worker(settings):
        assert next(follow(old.name, settings)).phase is Phase.INTERRUPTED


def test_the_study_that_was_written_to_last_is_meant_where_none_is_named(settings):
    with Ledger(settings.ledger_url) as ledger:
        old, new = told_study(ledger), told_study(ledger, identity=replace(IDENTITY, seed=7))
        assert next(follow(None, settings)).study.name == new.name
        ledger.write_trials(old.name, [told_trial(0)])
        assert next(follow(None, settings)).study.name == old.name


def test_trials_are_read_again_only_where_something_changed(settings, monkeypatch):
    reads = []
    read = Ledger.trials
    monkeypatch.setattr(Ledger, "trials", lambda ledger, study: reads.append(study) or read(ledger, study))
    with worker(settings) as (process, _):
        views = follow(None, settings, seconds=0)
        for _ in range(3):
            next(views)
        assert len(reads) == 1
        end_a_trial(process)
        assert next(views).ended == 1
        assert len(reads) == 2


def test_a_ledger_that_does_not_answer_for_a_moment_is_asked_again(settings, monkeypatch):
    with Ledger(settings.ledger_url) as ledger:
        told_study(ledger)
    answers = iter([RetryableError("locked"), RetryableError("locked")])
    read = Ledger.trials

    def trials(ledger, study):
        fault = next(answers, None)
        if fault is not None:
            raise fault
        return read(ledger, study)

    monkeypatch.setattr(Ledger, "trials", trials)
    assert next(follow(None, settings, seconds=0)).ended == 0
    monkeypatch.setattr("retuner.search.follow.PATIENCE_SECONDS", 0)
    monkeypatch.setattr(Ledger, "trials", lambda ledger, study: (_ for _ in ()).throw(RetryableError("locked")))
    with pytest.raises(RetryableError, match="locked"):
        next(follow(None, settings, seconds=0))


def test_no_study_and_an_unknown_one_are_one_sentence(settings):
    with pytest.raises(UserError, match="There is no study yet: start one with: retune run"):
        next(follow(None, settings))
    with pytest.raises(UserError, match="There is no study 'nothing'"):
        next(follow("nothing", settings))


class Reader(NotebookClient):
    """Runs a notebook in a kernel of its own, and looks at what it shows as a person does."""

    def __init__(self, home: Path, *sources: str, look: Callable[[str, int], None] = lambda page, cell: None) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        super().__init__(notebook, timeout=120, kernel_name="python3")
        environment = {"RETUNER_HOME": str(home), "HOME": str(home), "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
        self._look = look
        self.execute(env={**environment, "PATH": os.environ["PATH"]})
        self.outputs = notebook.cells[0].outputs

    def process_message(self, msg: dict, cell: nbformat.NotebookNode, cell_index: int) -> object:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self._look(msg["content"]["data"]["text/html"], cell_index)
        return super().process_message(msg, cell, cell_index)


JOIN = f"import threading\n[one.join() for one in threading.enumerate() if one.name == {THREAD!r}]"


@pytest.mark.parametrize(
    ("block", "sources", "cell"),
    [(True, [], 0), (False, [JOIN], 1)],
    ids=["in the cell that shows it", "while the next cell works"],
)
def test_a_notebook_shows_a_study_and_keeps_it_up_to_date_until_it_ends(settings, block, sources, cell):
    with worker(settings) as (process, name):
        awaited, cells = ["0 of 8 ended", "1 of 8 ended", "2 of 8 ended"], []

        def look(page: str, at_work: int) -> None:
            """Let the study go on once the notebook shows how far it is."""
            cells.append(at_work)
            if not awaited or awaited[0] not in page:
                return
            awaited.pop(0)
            end_a_trial(process) if awaited else process.stdin.close()

        source = f"import retuner\nretuner.watch('{name}', seconds=0.05, block={block})"
        reader = Reader(settings.home, source, *sources, look=look)
    assert awaited == []
    assert (cells[0], cells[-1]) == (0, cell)
    (display,) = reader.outputs  # one element, which was updated in its place
    assert "finished" in display["data"]["text/html"]
    assert "The new model is better." in display["data"]["text/html"]


ONE_LEFT = f"""
import threading, time
while sum(one.name == {THREAD!r} for one in threading.enumerate()) != 1:
    time.sleep(0.05)
"""


def test_a_cell_that_is_run_again_leaves_one_view_alone(settings):
    with worker(settings) as (_, name):
        cell = f"import retuner\nretuner.watch('{name}', seconds=0.05)"
        Reader(settings.home, f"{cell}\nretuner.watch('{name}', seconds=0.05)", ONE_LEFT)


def test_outside_a_notebook_a_study_is_shown_once(settings):
    with worker(settings) as (_, name):
        program = f"import retuner\nretuner.watch('{name}', block=True)"
        environment = {**os.environ, "RETUNER_HOME": str(settings.home)}
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)


def test_a_view_that_can_no_longer_be_renewed_stays_with_the_reason(settings, monkeypatch):
    class Cell:
        def update(self, page: HTML) -> None:
            self.html = page.data

    def fail(*_: object) -> None:
        raise RetryableError("<the server> is gone")

    with Ledger(settings.ledger_url) as ledger, hold_lease("FAQ_ranker", settings):
        views, cell = follow(told_study(ledger).name, settings, seconds=0), Cell()
        first = next(views)
        monkeypatch.setattr("retuner.search.follow.PATIENCE_SECONDS", 0)
        monkeypatch.setattr(Ledger, "study", fail)
        keep_up(cell, first, views, Event())
    assert "0 of 8 ended" in cell.html
    assert cell.html.endswith("<p>&lt;the server&gt; is gone</p>")


def test_a_notebook_is_told_of_an_unknown_study_in_one_sentence(settings):
    source = "import retuner\ntry:\n    retuner.watch('nothing')\nexcept Exception as error:\n    print(error)"
    (output,) = Reader(settings.home, source).outputs
    assert output["text"].startswith("There is no study 'nothing'")
