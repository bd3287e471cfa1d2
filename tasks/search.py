"""Tasks of the search: open the study, scale, one mapped task a trial, aggregate, scale back."""

import gc
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from prefect import unmapped
from prefect.futures import wait
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.runtime import task_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from retuner.compute.target import ComputeTarget
from retuner.data.dataset import Dataset
from retuner.errors import Interrupted
from retuner.logs import name_study
from retuner.parameters.nodes import nodes_wanted
from retuner.search.coordinator import Coordinator
from retuner.search.progress import Progress
from retuner.search.records import TrialRecord, in_words
from retuner.search.states import TrialState
from retuner.stages import search as stages
from retuner.stages import study as study_stage
from retuner.stages.clean_up import clean_up_others
from retuner.stages.study import Study
from retuner.workbench import Workbench
from tasks.artifacts import LeaderboardArtifact, ProgressArtifact, write_link
from tasks.blocks import load_azure_ml_identity
from tasks.stage import stage, tell_harmless_failure

logger = logging.getLogger("retuner.tasks")


@stage(name="check-compute", task_run_name="check-compute")
def check_compute(bench: Workbench) -> None:
    """Find out whether the nodes that the search wants can be had, before anything is created."""
    stages.check_compute(bench)


@stage(name="open-study", task_run_name="open-study")
def open_study(bench: Workbench, dataset: Dataset, resume: str | None) -> Study:
    """Continue an unfinished study of the same identity, or open the next."""
    study = study_stage.open_study(bench, dataset, resume=resume)
    name_study(study.name)
    for left in clean_up_others(
        study.name, bench.parameters.model_name, bench.ledger, bench.settings, load_azure_ml_identity
    ):
        logger.warning("%s", left.line)
    if earlier := sum(trial.state.is_finished() for trial in bench.ledger.trials(study.name)):
        logger.info("%s goes on: %d of its trials have ended before", study.name, earlier)
    return study


@stage(name="scale", task_run_name="scale-up")
def scale_up(bench: Workbench, study: Study, target: ComputeTarget) -> int:
    """Scale the compute target; returns its nodes."""
    return stages.scale_up(bench, study, target)


said_by_us: set[str] = set()
"""Task runs whose good end is in Prefect's log already: its own line says less."""


def _is_news(record: logging.LogRecord) -> bool:
    run = getattr(record, "task_run_id", "")
    if run not in said_by_us or not str(record.msg).startswith("Finished in state"):
        return True
    said_by_us.discard(run)
    return False


logging.getLogger("prefect.task_runs").addFilter(_is_news)


def _reaches_prefect() -> bool:
    """Whether our lines are in Prefect's log, which the environment decides."""
    return any(isinstance(handler, APILogHandler) for handler in logging.getLogger("retuner").handlers)


@stage(name="trial", task_run_name="trial-{slot:04d}", retries=0, on_failure=[])
def run_trial(slot: int, coordinator: Coordinator, target: ComputeTarget) -> Any:
    """Wait for the end of one trial; its state is the trial's. Trying again is the coordinator's.

    Prefect's own logger is for what is in the log of the task alone: a terminal shows the lines of all trials together.
    """

    def tell_page(job: str) -> None:
        if page := target.link(job):
            get_run_logger().info("%s is at %s", job, page)

    trial = coordinator.wait(slot, tell_page)
    if trial is None:
        return Completed(name="NotNeeded", message="The budget of the search was over before this trial.")
    state = _task_state(trial)
    if trial.attempts and not coordinator.is_told(trial):  # one that never began is no event
        last = trial.attempts[-1]
        level = logging.WARNING if trial.state is TrialState.FAILED else logging.INFO
        about = {"trial": trial.number, "attempt": len(trial.attempts), "state": trial.state.value}
        words = (coordinator.study, trial.number, trial.state, state.message, in_words(trial.parameters))
        logger.log(level, "%s trial %d %s: %s, with %s", *words, extra=about)
        if trial.state is TrialState.FAILED and last.log:
            get_run_logger().error("The end of the log of %s:\n%s", last.job, last.log)
        if state.is_completed() and _reaches_prefect():
            said_by_us.add(task_run.id)
    return state


def run_trials(bench: Workbench, study: Study, target: ComputeTarget) -> None:
    """One mapped task a trial, while the coordinator works in this thread. Raises Interrupted where it was stopped."""
    with (
        closing(ProgressArtifact(study.name)) as artifact,
        closing(LeaderboardArtifact(study.name)) as board,
        libraries_left_out(),
    ):
        _run_trials(bench, study, target, artifact, board)


@contextmanager
def libraries_left_out() -> Iterator[None]:
    """Keep the garbage collector away from what is there already: 300,000 objects, nearly all of imported libraries.

    A pass through them takes a fifth of a second, in which no worker gets its next trial. Of two searches in one
    process, the first to end ends this for both.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _run_trials(
    bench: Workbench, study: Study, target: ComputeTarget, artifact: ProgressArtifact, board: LeaderboardArtifact
) -> None:
    if page := target.link(study.name):
        write_link(study.name, page)
        logger.info("%s is at %s", study.name, page)

    def tell(progress: Progress, *, now: bool = False) -> None:
        ended = sum(count for state, count in progress.states.items() if state.is_finished())
        if artifact.update(100 * ended / progress.planned, now=now):
            logger.info("%s", _line(progress, ended), extra={"progress": progress})
        if progress.leaders and board.is_due():
            board.update(stages.leaderboard_rows(study, target, progress.leaders))

    coordinator = stages.make_coordinator(bench, study, target, tell)
    slots = stages.slots(bench, study)
    # as many as there may be, not as there are: nodes join while the search is under way
    workers = min(len(slots), nodes_wanted(bench.parameters))
    with ThreadPoolTaskRunner(max_workers=workers) as runner:
        try:
            trials = runner.map(
                run_trial, {"slot": list(slots), "coordinator": unmapped(coordinator), "target": unmapped(target)}
            )
            progress = coordinator.run()
        except BaseException as error:
            coordinator.abandon(error)  # else the runner waits for its threads, and they for their trials
            raise
        wait(trials)
        tell(progress, now=True)
        board.finish(stages.leaderboard(bench, study, target))
    if progress.stopped:
        raise Interrupted(f"Stopped; continue with: retune run --resume {study.name}")


@stage(name="aggregate", task_run_name="aggregate")
def aggregate(bench: Workbench, study: Study) -> TrialRecord:
    """Rank the trials and return the best."""
    return stages.find_best(bench, study)


@stage(name="scale", task_run_name="scale-back", on_failure=[tell_harmless_failure])
def scale_back(bench: Workbench, study: Study, target: ComputeTarget) -> None:
    """Give back what the study's target started, and the nodes that it kept."""
    stages.scale_back(bench, study, target)


def _task_state(trial: TrialRecord) -> Any:
    steps = ""
    if trial.reports:
        last = trial.reports[-1][0]
        steps = f" after {last} step" + ("" if last == 1 else "s")
    if trial.state is TrialState.COMPLETED:
        return Completed(message=f"{trial.value:.4f}{steps}")
    if trial.state is TrialState.PRUNED:
        return Completed(name="Pruned", message=f"stopped early at {trial.value:.4f}{steps}")
    if trial.state is TrialState.CANCELLED:
        return Cancelled(message=trial.message or "The flow run was stopped.")
    return Failed(message=trial.message or "no reason was given")


def _line(progress: Progress, ended: int) -> str:
    best = "none yet" if progress.best_value is None else f"{progress.best_value:.4f} (trial {progress.best_trial})"
    return f"{progress.study}: {ended} of {progress.planned} trials ended, best {best}"
