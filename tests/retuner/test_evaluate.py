"""Which comparison is made, which is taken from the store, and what becomes of a champion that cannot be scored."""

import os
import re
import shutil
import signal
import threading
import time
import zipfile
from pathlib import Path

import pytest
from stage_bench import StageBench

from retuner.errors import Interrupted, RetryableError
from retuner.registry.mlflow import MlflowRegistry
from retuner.registry.version_record import SEEN, SNAPSHOT
from retuner.stages.evaluate import Scores, collect_challenger, evaluate_model, write_evaluation
from retuner.stages.register import register_winner
from retuner_training.job import Job


def evaluate_and_write(bench: StageBench, job: str):
    evaluation = bench.evaluate(job)
    write_evaluation(bench.bench, bench.study, evaluation)
    return evaluation


# what is stored


def test_a_stored_evaluation_is_used_again_for_the_same_model(stage_bench, monkeypatch):
    job = stage_bench.train(quality=0.6)
    first = evaluate_and_write(stage_bench, job)
    monkeypatch.setattr("retuner.stages.evaluate.evaluate_model", None)  # scoring again would now raise
    assert stage_bench.evaluate(job) == first


def test_the_next_best_model_of_a_study_is_scored_itself(stage_bench):
    evaluate_and_write(stage_bench, stage_bench.train(quality=0.6, trial=3))
    better = stage_bench.train(quality=0.8, trial=5)
    evaluation = stage_bench.evaluate(better)
    assert evaluation.metrics == {"hit": pytest.approx(0.8)}
    assert evaluation.job == better


def test_another_gate_decides_anew(stage_bench):
    job = stage_bench.train(quality=0.6)
    assert evaluate_and_write(stage_bench, job).promote
    stricter = stage_bench.with_parameters(gate={"min_gain": 0.9})
    assert not stricter.evaluate(job).promote


def test_another_champion_is_compared_with_anew(stage_bench):
    job = stage_bench.train(quality=0.6)
    assert evaluate_and_write(stage_bench, job).promote
    stage_bench.make_champion(stage_bench.train(quality=0.9, trial=9))
    evaluation = stage_bench.evaluate(job)
    assert (evaluation.promote, evaluation.champion) == (False, "1")


def test_a_champion_of_another_key_under_the_same_number_is_compared_with_anew(stage_bench, empty_mlflow, tmp_path):
    """A registry that began anew counts from 1 again."""
    weak = stage_bench.train(quality=0.1, trial=1)
    job = stage_bench.train(quality=0.6)
    stage_bench.make_champion(weak, key="first")
    assert evaluate_and_write(stage_bench, job).promote
    shutil.copyfile(empty_mlflow, tmp_path / "new.sqlite")
    anew = stage_bench.with_registry(MlflowRegistry(f"sqlite:///{tmp_path / 'new.sqlite'}"))
    assert anew.make_champion(anew.train(quality=0.9, trial=9), key="second").version == "1"
    assert not anew.evaluate(job).promote


def test_after_its_promotion_a_model_is_not_compared_with_itself(stage_bench):
    job = stage_bench.train(quality=0.6)
    first = evaluate_and_write(stage_bench, job)
    version = register_winner(stage_bench.bench, stage_bench.study, first)
    again = stage_bench.with_parameters(gate={"margin": 0.1})
    assert again.evaluate(job).promote
    assert register_winner(again.bench, again.study, again.evaluate(job)) == version


# the champion


def test_the_champion_is_scored_by_its_own_recipe(stage_bench):
    """Its snapshot does not hold the recipe that the challenger was made with."""
    folder = collect_challenger(stage_bench.bench, stage_bench.study, stage_bench.train(quality=0.5, trial=1))
    without = folder / "without.zip"
    with zipfile.ZipFile(folder / SNAPSHOT) as source, zipfile.ZipFile(without, "w") as target:
        for name in source.namelist():
            if not name.endswith("recorded.py"):
                target.writestr(name, source.read(name))
    without.replace(folder / SNAPSHOT)
    stage_bench.register(folder, recipe="toy_recipe:recipe")
    evaluation = stage_bench.evaluate(stage_bench.train(quality=0.6))
    assert "could not be scored" not in evaluation.reason
    assert evaluation.decision["compared"]["champion"]["mean"] == pytest.approx(0.5)


def missing_file(bench: StageBench) -> None:
    bench.file_of("1", SNAPSHOT).unlink()


def altered_file(bench: StageBench) -> None:
    bench.file_of("1", SEEN).write_text("other")


def foreign_version(bench: StageBench) -> None:
    client = bench.bench.registry._client
    client.create_model_version("toy", str(bench.bench.settings.home), None)
    client.set_registered_model_alias("toy", "champion", "2")


def unreadable_seen(bench: StageBench) -> None:
    folder = collect_challenger(bench.bench, bench.study, bench.train(quality=0.5, trial=1))
    (folder / SEEN).write_text("no parquet")
    bench.register(folder, key="unreadable")


def no_seen(bench: StageBench) -> None:
    """A version of the time before registration asked for the file."""
    client = bench.bench.registry._client
    stored = client.get_model_version("toy", "1")
    record = stored.tags["retuner.record"]
    start = record.index('"seen.parquet"')
    end = record.index(",", start) + 2
    client.set_model_version_tag("toy", "1", "retuner.record", record[:start] + record[end:])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (missing_file, r"snapshot\.zip is missing"),
        (altered_file, r"seen\.parquet was changed"),
        (foreign_version, "not registered whole by retuner"),
        (unreadable_seen, r"seen\.parquet"),
        (no_seen, r"seen\.parquet"),
    ],
)
def test_a_champion_that_cannot_be_fetched_stays_unless_it_may_be_replaced(stage_bench, damage, words):
    stage_bench.make_champion(stage_bench.train(quality=0.5, trial=1))
    job = stage_bench.train(quality=0.6)
    damage(stage_bench)
    kept = evaluate_and_write(stage_bench, job)
    assert not kept.promote
    assert re.search(words, kept.reason)
    assert "it stays" in kept.reason
    replaced = stage_bench.with_parameters(gate={"replace_unloadable": True}).evaluate(job)
    assert replaced.promote


# the process that scores


def own_package(folder: Path, program: str) -> Path:
    """A snapshot whose `python -m retuner_training` is `program`."""
    archive = folder / "own.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("retuner_training/__init__.py", "")
        packed.writestr("retuner_training/__main__.py", program)
    return archive


def score(folder: Path, program: str, stop: threading.Event) -> Scores:
    work = folder / "work"
    work.mkdir()
    job = Job("scoring", "s", "r", {}, "d", str(folder / "output"), kind="evaluate")
    return evaluate_model(job, snapshot=own_package(folder, program), folder=work, stop=stop)


DEAF = """
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("pid.new").write_text(str(os.getpid()))
os.rename("pid.new", "pid")
time.sleep(100)
"""


def test_a_stop_ends_a_scoring_process_that_ignores_it(tmp_path, monkeypatch):
    monkeypatch.setattr("retuner.stages.evaluate.STOP_SECONDS", 0.5, raising=False)
    stop, pid = threading.Event(), tmp_path / "work" / "pid"

    def stop_once_it_runs() -> None:
        while not pid.exists():
            time.sleep(0.02)
        stop.set()

    watcher = threading.Thread(target=stop_once_it_runs)
    watcher.start()
    with pytest.raises(Interrupted, match="while a model was evaluated"):
        score(tmp_path, DEAF, stop)
    watcher.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_scoring_process_that_was_killed_is_no_verdict(tmp_path):
    program = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    with pytest.raises(RetryableError, match="SIGKILL"):
        score(tmp_path, program, threading.Event())
