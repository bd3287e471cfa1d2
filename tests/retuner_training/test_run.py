"""One job without any compute target: what it leaves in its output folder, however it ends."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
from toy_recipe import ToyRecipe, write_dataset

from retuner_training.errors import InvalidInput
from retuner_training.job import Job
from retuner_training.model import load_model
from retuner_training.recipe import wrong_rows
from retuner_training.result import MISTAKES, MODEL, RESULT, SCORES, SEEN, read_result, sha256_of, write_whole
from retuner_training.run import MOST_MISTAKES, means_and_errors, run_job

TESTS = Path(__file__).parents[1]


@pytest.fixture
def job(tmp_path):
    parameters = {"quality": 0.7, "record": str(tmp_path / "record")}
    dataset = str(write_dataset(tmp_path / "dataset"))
    return Job("s-t0001-a1", "s", "toy_recipe:recipe", parameters, dataset, str(tmp_path / "out"))


def with_parameters(job, **parameters):
    return replace(job, parameters={**job.parameters, **parameters})


def runs_of(job):
    return len(Path(job.parameters["record"]).read_text().splitlines())


def test_a_training_leaves_value_reports_and_standard_error(job):
    result = run_job(job)
    assert result.outcome == "completed"
    assert result.value == pytest.approx(0.7)
    assert result.reports == [(1, 0.1), (2, 0.2), (3, 0.3)]
    deviation = pd.Series([1.0] * 70 + [0.0] * 30).std()
    assert result.standard_errors["hit"] == pytest.approx(deviation / 10)
    assert {"python", "scikit-learn", "lightgbm", "numpy", "pandas"} <= set(result.versions)
    assert read_result(Path(job.output)) == result


def test_reports_are_handed_on_as_they_come(job):
    seen = []
    run_job(job, send=lambda step, value: seen.append((step, value)))
    assert seen == [(1, 0.1), (2, 0.2), (3, 0.3)]


def test_a_recipe_that_reports_at_every_step_is_held_to_its_period(job):
    seen = []
    chatty = replace(with_parameters(job, steps=10), recipe="toy_recipe.chatty:recipe")
    result = run_job(chatty, send=lambda step, value: seen.append((step, value)))
    assert seen == [(1, 0.1), (5, 0.5), (9, 0.9), (10, 1.0)]
    assert result.reports == seen


def test_a_completed_job_is_not_trained_again(job):
    first = run_job(job)
    assert run_job(job) == first
    assert runs_of(job) == 1


def test_a_stopped_job_is_trained_again_when_asked_again(job):
    assert run_job(job, stop_asked=lambda: True).outcome == "stopped"
    assert run_job(job).outcome == "completed"
    assert runs_of(job) == 2


def test_a_failed_job_is_trained_again_when_asked_again(job):
    assert run_job(with_parameters(job, fails_at=2)).outcome == "failed"
    assert run_job(job).outcome == "completed"


def test_a_result_whose_model_was_altered_is_not_taken(job):
    run_job(replace(job, keep_model=True))
    (Path(job.output) / MODEL).write_bytes(b"another")
    assert read_result(Path(job.output)) is None
    assert run_job(replace(job, keep_model=True)).files[MODEL] == sha256_of(Path(job.output) / MODEL)


def test_a_stop_is_heard_at_the_next_report(job):
    asked = iter([False, True])
    result = run_job(job, stop_asked=lambda: next(asked))
    assert (result.outcome, result.reason) == ("stopped", "asked")
    assert result.reports == [(1, 0.1), (2, 0.2)]
    assert result.value == 0.2


def test_a_training_ends_after_its_seconds(job):
    result = run_job(replace(with_parameters(job, steps=10_000, delay=0.01), seconds=0.05))
    assert (result.outcome, result.reason) == ("stopped", "timeout")
    assert 0 < len(result.reports) < 1000


def test_what_the_training_raises_becomes_a_failed_result_with_its_traceback(job):
    result = run_job(with_parameters(job, fails_at=2))
    assert (result.outcome, result.value) == ("failed", None)
    assert result.reason == "ArithmeticError: step 2 went wrong"
    assert "toy_recipe" in result.traceback
    assert result.reports == [(1, 0.1)]


@pytest.mark.parametrize("threads", [1, 2])
def test_libraries_are_held_to_the_job_s_threads(job, tmp_path, threads):
    run_job(replace(with_parameters(job, pools=str(tmp_path / "pools")), threads=threads))
    assert set(json.loads((tmp_path / "pools").read_text())) == {threads}


def test_a_library_that_came_since_the_last_job_is_held_as_well(job, tmp_path):
    pools = [tmp_path / "first-pools", tmp_path / "second-pools"]
    jobs = [replace(with_parameters(job, pools=str(file)), output=str(file.with_suffix(".out"))) for file in pools]
    between = (
        "import json, sys; from retuner_training.job import Job; from retuner_training.run import run_job; "
        "first, second = (Job(**fields) for fields in json.loads(sys.argv[1])); "
        "run_job(first); import lightgbm; run_job(second)"
    )
    given = json.dumps([asdict(one) for one in jobs])
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "OMP_NUM_THREADS": "3"}
    subprocess.run([sys.executable, "-c", between, given], env=environment, check=True)
    first, second = (json.loads(file.read_text()) for file in pools)
    assert len(second) > len(first)
    assert set(first) == set(second) == {1}


def test_a_value_that_is_no_number_is_a_failure(job):
    result = run_job(with_parameters(job, quality=float("nan")))
    assert result.outcome == "failed"
    assert "hit is nan" in result.reason


def test_a_row_without_a_number_is_not_left_out_of_the_mean():
    means, errors = means_and_errors(pd.DataFrame({"hit": [1.0, math.nan], "miss": [0.0, 1.0]}), ("hit", "miss"))
    assert math.isnan(means["hit"])
    assert math.isnan(errors["hit"])
    assert (means["miss"], errors["miss"]) == (0.5, 0.5)


def test_a_missing_dataset_is_a_failure_with_one_sentence(job):
    result = run_job(replace(job, dataset="/nowhere"))
    assert result.outcome == "failed"
    assert result.reason.startswith("InvalidInput: There is no dataset in /nowhere")


def test_a_kept_model_answers_in_another_process(job):
    run_job(replace(job, keep_model=True))
    code = (
        "import sys; from pathlib import Path; from retuner_training.model import load_model;"
        "print(load_model(Path(sys.argv[1])).answer('why?', top=1))"
    )
    command = [sys.executable, "-c", code, str(Path(job.output) / MODEL)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True)
    assert "'probability': 0.7" in done.stdout, done.stderr


def test_the_keys_that_a_model_has_seen_lie_beside_it(job):
    result = run_job(replace(job, keep_model=True))
    assert list(pd.read_parquet(Path(job.output) / SEEN)["key"]) == list(range(100))
    assert set(result.files) == {MODEL, SEEN}


def test_the_model_file_is_checked_against_its_hash(job):
    run_job(replace(job, keep_model=True))
    file = Path(job.output) / MODEL
    assert load_model(file, sha256_of(file)).parameters == job.parameters
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InvalidInput, match="not the one that was saved"):
        load_model(file, read_sum(job))
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_model(file)


def read_sum(job):
    return json.loads((Path(job.output) / RESULT).read_text())["files"][MODEL]


def test_mlflow_finds_probabilities_through_the_loader_module(job):
    from retuner_training.model import _load_pyfunc

    run_job(replace(job, keep_model=True))
    model = _load_pyfunc(job.output)
    assert list(model.predict(pd.DataFrame({"text": ["a", "b"]}))) == [0.7, 0.7]


def test_an_evaluation_scores_the_test_part_row_by_row(job, tmp_path):
    run_job(replace(job, keep_model=True))
    model = str(Path(job.output) / MODEL)
    order = replace(job, name="s-evaluate", kind="evaluate", model=model, output=str(tmp_path / "evaluation"))
    result = run_job(order)
    rows = pd.read_parquet(tmp_path / "evaluation" / SCORES)
    assert result.metrics["hit"] == pytest.approx(rows["hit"].mean())
    assert {"hit", "key", "known"} <= set(rows.columns)
    assert result.files[SCORES] == sha256_of(tmp_path / "evaluation" / SCORES)


class ToyWithMistakes(ToyRecipe):
    def mistakes(self, model, tables, scores, *, part, most):
        return [{"given": f"{len(wrong_rows(scores, 'hit', most=most))} of the {part} part"}]


class ToyWithFaultyMistakes(ToyRecipe):
    def mistakes(self, model, tables, scores, *, part, most):
        raise ArithmeticError("no example")


with_mistakes, with_faulty_mistakes = ToyWithMistakes(), ToyWithFaultyMistakes()


def evaluated(job, tmp_path, recipe):
    """The folder that an evaluation of the job's model by a recipe of this module leaves behind, and its result."""
    run_job(replace(job, keep_model=True))
    folder = tmp_path / "evaluation"
    model = str(Path(job.output) / MODEL)
    order = replace(job, name="s-evaluate", kind="evaluate", model=model, output=str(folder))
    return folder, run_job(replace(order, recipe=f"{__name__}:{recipe}"))


def test_an_evaluation_keeps_examples_where_the_recipe_shows_some(job, tmp_path):
    folder, result = evaluated(job, tmp_path, "with_mistakes")
    assert json.loads((folder / MISTAKES).read_text()) == [{"given": f"{MOST_MISTAKES} of the test part"}]
    assert result.files.keys() == {SCORES, MISTAKES}


def test_examples_that_cannot_be_made_fail_no_evaluation(job, tmp_path, capsys):
    folder, result = evaluated(job, tmp_path, "with_faulty_mistakes")
    assert (result.outcome, result.files.keys()) == ("completed", {SCORES})
    assert not (folder / MISTAKES).exists()
    assert "ArithmeticError: no example" in capsys.readouterr().err


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path):
    def half(part):
        part.write_text("half")
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        write_whole(tmp_path / "whole", half)
    assert list(tmp_path.iterdir()) == []


def start(job, tmp_path):
    order = tmp_path / "job.json"
    order.write_text(json.dumps(asdict(job)))
    command = [sys.executable, "-m", "retuner_training", str(order), str(tmp_path / "answer.json")]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)}, **streams)


def test_the_package_runs_a_job_file_and_prints_reports_as_json_lines(job, tmp_path):
    process = start(job, tmp_path)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert [json.loads(line) for line in output.splitlines()][-1] == {"step": 3, "value": 0.3}
    assert json.loads((tmp_path / "answer.json").read_text())["value"] == pytest.approx(0.7)


def test_a_termination_signal_stops_the_job_file_s_training(job, tmp_path):
    process = start(with_parameters(job, steps=10_000, delay=0.02), tmp_path)
    assert json.loads(process.stdout.readline()) == {"step": 1, "value": 0.1}
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 3
    assert json.loads((tmp_path / "answer.json").read_text())["reason"] == "asked"


def test_a_failed_job_file_ends_with_code_1_and_the_reason(job, tmp_path):
    process = start(with_parameters(job, fails_at=1), tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "ArithmeticError: step 1 went wrong" in errors


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "holds a list"),
        ('{"name": "a", "colour": 1}', "missing: study, recipe, parameters, dataset, output; unknown: colour"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_job_file_is_told_in_one_sentence(tmp_path, capsys, content, words):
    from retuner_training.__main__ import main

    if content is not None:
        (tmp_path / "job.json").write_text(content)
    assert main([str(tmp_path / "job.json"), str(tmp_path / "answer.json")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
