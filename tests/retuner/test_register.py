"""How the winner gets into the registry, also where an earlier start got half of the way."""

import pytest
from stage_bench import StageBench

from retuner.errors import UserError
from retuner.search.states import StudyState
from retuner.stages.evaluate import collect_challenger
from retuner.stages.register import register_winner


class Killed(BaseException):
    """Stands for the end of the process."""


def register(bench: StageBench, job: str):
    return register_winner(bench.bench, bench.study, bench.evaluate(job))


def test_the_winner_is_the_champion_and_ends_the_study(stage_bench):
    job = stage_bench.train(quality=0.6)
    version = register(stage_bench, job)
    assert version.key == job
    assert stage_bench.bench.registry.champion("toy") == version
    assert stage_bench.bench.ledger.study(stage_bench.study.name).state is StudyState.FINISHED


def test_the_next_best_of_a_study_is_a_version_of_its_own(stage_bench):
    """The study was killed before it ended, and went on with more trials."""
    first = register(stage_bench, stage_bench.train(quality=0.6, trial=3))
    second = register(stage_bench, stage_bench.train(quality=0.8, trial=5))
    assert (first.version, second.version) == ("1", "2")
    assert second.metrics["hit"] == pytest.approx(0.8)
    assert second.parameters == {"quality": 0.8}


def test_a_version_without_the_rows_it_has_seen_is_refused(stage_bench):
    folder = collect_challenger(stage_bench.bench, stage_bench.study, stage_bench.train(quality=0.6))
    (folder / "seen.parquet").unlink()
    with pytest.raises(UserError, match=r"lacks seen\.parquet"):
        stage_bench.register(folder)


def test_a_training_with_other_parameters_is_registered_after_a_kill_in_the_middle(stage_bench, monkeypatch):
    from mlflow.tracking import MlflowClient

    job = stage_bench.train(quality=0.6)

    def kill(*arguments, **named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_model_version", kill)
        with pytest.raises(Killed):
            register(stage_bench, job)
    stage_bench.bench.store.root.joinpath("jobs", stage_bench.study.name, job, "result.json").unlink()
    assert stage_bench.train(quality=0.7) == job
    version = register(stage_bench, job)
    assert version.parameters == {"quality": 0.7}
    stored = stage_bench.bench.registry._client.get_model_version("toy", version.version)
    run = stage_bench.bench.registry._client.get_run(stored.run_id)
    assert run.data.params == {"quality": "0.7"}
    assert run.data.metrics["hit"] == pytest.approx(0.7)
