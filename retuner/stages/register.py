"""Stage 6: register the challenger and make it the champion, where the gate said so."""

from retuner.registry.registry import Metadata, ModelVersion
from retuner.search.entries import FINAL, MODEL
from retuner.search.states import StudyState
from retuner.stages.evaluate import Evaluation
from retuner.stages.study import Study, git_commit
from retuner.workbench import Workbench


def register_winner(bench: Workbench, study: Study, evaluation: Evaluation) -> ModelVersion | None:
    """The new champion, or None where the old one stays. Ends the study."""
    version = None
    if evaluation.promote:
        name = bench.parameters.model_name
        version = bench.registry.register(name, evaluation.folder, _metadata(bench, study, evaluation), evaluation.job)
        bench.registry.set_champion(name, version.version)
        bench.ledger.write_stage(study.name, MODEL, {"version": version.version, "uri": version.uri})
    bench.ledger.update_study(study.name, state=StudyState.FINISHED, message=evaluation.verdict)
    return version


def _metadata(bench: Workbench, study: Study, evaluation: Evaluation) -> Metadata:
    final = bench.ledger.study(study.name).stages[FINAL]
    tuned = {f"tune_{name}": value for name, value in final["metrics"].items()}
    errors = {f"{name}_standard_error": value for name, value in evaluation.standard_errors.items()}
    return Metadata(
        metrics={**evaluation.metrics, **errors, **tuned},
        parameters=final["parameters"],
        tags={
            "dataset": study.dataset.name,
            "study": study.name,
            "snapshot": study.snapshot.hash,
            "recipe": bench.parameters.recipe,
            "git_commit": git_commit(),
        },
    )
