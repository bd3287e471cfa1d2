"""Stage 4: train the best hyperparameters once more, with more trees and the model kept, on the same target."""

import shutil
from dataclasses import replace
from typing import Any

from retuner.compute.target import ComputeTarget
from retuner.compute.waiting import run_job_to_end
from retuner.errors import OutOfTime, RetryableError, TrialFailed
from retuner.search.entries import ATTEMPT, FINAL
from retuner.search.records import TrialRecord
from retuner.search.states import StudyState
from retuner.stages.budget import FinalTries, final_seconds, out_of_time, seconds_left
from retuner.stages.study import Study, training_job
from retuner.storage.names import job_folder
from retuner.workbench import Workbench
from retuner_training.job import Job, JobResult
from retuner_training.result import MODEL, RESULT, SEEN, read_result


def retrain_best(bench: Workbench, study: Study, target: ComputeTarget, best: TrialRecord) -> str:
    """Name of the final job, whose files are in the store. A final training that is done is not done again.

    Where the training fails, so would the next start's of the same study: the study is then failed.
    """
    # a study that was resumed with more trials may have another best, so the name tells which
    stem = f"{study.name}-final-t{best.number:04d}-a"
    parameters = bench.recipe.final_parameters(best.parameters)
    result = _find_result(bench, study, stem)
    if result is None:
        try:
            result = _train(bench, study, target, stem, parameters)
        except TrialFailed as error:
            message = f"The final training of trial {best.number} failed: {error}"
            bench.ledger.update_study(study.name, state=StudyState.FAILED, message=message)
            raise
    else:  # where it ended unseen, its cost is still open
        FinalTries(bench, study).end(result.seconds)
    output = {
        "job": result.name,
        "trial": best.number,
        "parameters": parameters,
        "metrics": result.metrics,
        "standard_errors": result.standard_errors,
    }
    bench.ledger.write_stage(study.name, FINAL, output)
    return result.name


def _train(bench: Workbench, study: Study, target: ComputeTarget, stem: str, parameters: dict[str, Any]) -> JobResult:
    """The result of a training on the target, whose attempts are counted in the ledger."""

    tries = FinalTries(bench, study)

    def job_of(attempt: int) -> Job:
        job = training_job(bench, study, f"{stem}{attempt}", parameters)
        job = replace(job, keep_model=True, seconds=final_seconds(bench, study))
        tries.begin(job.name)
        return job

    def note(attempt: int) -> None:
        tries.end_before(f"{stem}{attempt}")
        bench.ledger.write_stage(study.name, ATTEMPT, {"stem": stem, "attempt": attempt})

    first = max(1, _noted_attempt(bench, study, stem))
    try:
        seconds = seconds_left(bench, study)
        result = run_job_to_end(
            target, job_of, first=first, note=note, at_work=tries.is_at_work, stop=bench.stop, seconds=seconds
        )
    except OutOfTime as error:
        tries.end()
        told = out_of_time(bench, study)
        for words in (f"  {error}", *getattr(error, "__notes__", ())):
            told.add_note(words)
        raise told from error
    except RetryableError:
        raise  # its job may be alive, and then the next try goes on with it
    except BaseException:
        tries.end()
        raise
    tries.end(result.seconds)
    return result


def _noted_attempt(bench: Workbench, study: Study, stem: str) -> int:
    """Number of the latest attempt at this final training; 0 where there is none."""
    noted = bench.ledger.study(study.name).stages.get(ATTEMPT, {})
    return int(noted["attempt"]) if noted.get("stem") == stem else 0


def _find_result(bench: Workbench, study: Study, stem: str) -> JobResult | None:
    """The completed result of any attempt whose files lie in the store as they were written.

    The attempt that the ledger names comes first: its model may be registered already.
    """
    done = bench.ledger.study(study.name).stages.get(FINAL, {}).get("job")
    # by name, not by a listing of the store: the right to read alone suffices
    tried = [f"{stem}{attempt}" for attempt in range(1, _noted_attempt(bench, study, stem) + 1)]
    for job in sorted(tried, key=lambda job: job != done):
        result = _read_whole(bench, job_folder(study.name, job))
        if result is not None:
            return result
    return None


def _read_whole(bench: Workbench, prefix: str) -> JobResult | None:
    """The completed result under `prefix`, where its model is there, unaltered."""
    files = [f"{prefix}/{name}" for name in (RESULT, MODEL, SEEN)]
    if not all(bench.store.exists(file) for file in files):
        return None
    folder = bench.scratch / "final"
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        bench.store.get(file, folder / file.removeprefix(f"{prefix}/"))
    result = read_result(folder)
    whole = result is not None and result.outcome == "completed" and result.files.keys() >= {MODEL, SEEN}
    return result if whole else None
