"""Tasks of the model: train the best once more, evaluate it, write that down, register it."""

from retuner.compute.target import ComputeTarget
from retuner.registry.registry import ModelVersion
from retuner.search.records import TrialRecord
from retuner.stages import evaluate, register, retrain
from retuner.stages.evaluate import Evaluation
from retuner.stages.study import Study
from retuner.workbench import Workbench
from tasks.stage import stage


@stage(name="check-registry", task_run_name="check-registry")
def check_registry(bench: Workbench) -> None:
    """Find out before the work whether the registry answers: it is needed at the end of it."""
    evaluate.find_champion(bench)


@stage(name="retrain", task_run_name="retrain-trial-{best.number:04d}")
def retrain_best(bench: Workbench, study: Study, target: ComputeTarget, best: TrialRecord) -> str:
    """Train the best hyperparameters once more, with more trees, on the compute target."""
    return retrain.retrain_best(bench, study, target, best)


@stage(name="evaluate", task_run_name="evaluate")
def evaluate_model(bench: Workbench, study: Study, job: str) -> Evaluation:
    """Score challenger and champion on the test set and decide."""
    return evaluate.evaluate_challenger(bench, study, job)


@stage(name="write-evaluation", task_run_name="write-evaluation")
def write_evaluation(bench: Workbench, study: Study, evaluation: Evaluation) -> None:
    """Put the evaluation into the store."""
    evaluate.write_evaluation(bench, study, evaluation)


@stage(name="register", task_run_name="register")
def register_winner(bench: Workbench, study: Study, evaluation: Evaluation) -> ModelVersion | None:
    """Register the challenger and make it the champion, where the gate said so."""
    return register.register_winner(bench, study, evaluation)
