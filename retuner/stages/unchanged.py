"""Between preparing the data and opening a study: is there anything to learn?"""

from typing import Any

from retuner.compute.snapshot import make_snapshot
from retuner.data.dataset import Dataset
from retuner.search.entries import FINAL
from retuner.search.states import StudyState
from retuner.stages.evaluate import earlier_evaluation, find_champion
from retuner.stages.study import study_identity
from retuner.workbench import Workbench


def find_unchanged(bench: Workbench, dataset: Dataset) -> str | None:
    """Name of the last finished study where a new one would repeat it: same data, code, search and budget.

    A smaller search than that has nothing to learn either: the same seed begins with the same trials.

    Its model must be the champion, or must have been compared with the champion of now.
    """
    if not bench.parameters.start.skip_if_unchanged:
        return None
    finished = [
        one.study for one in bench.ledger.studies(bench.parameters.model_name) if one.study.state is StudyState.FINISHED
    ]
    if not finished:
        return None
    last = finished[0]
    snapshot = make_snapshot(bench.parameters.recipe, bench.settings.home / "snapshots")
    champion, _ = find_champion(bench)
    job = last.stages.get(FINAL, {}).get("job")
    repeats = (
        champion is not None
        and job is not None
        and last.identity == study_identity(bench, dataset, snapshot)
        and last.trials >= bench.parameters.search.trials
        and _limits(last.parameters.get("budget", {})) == _limits(bench.parameters.budget.model_dump(mode="json"))
        and last.parameters.get("gate") == bench.parameters.gate.model_dump(mode="json")
        and earlier_evaluation(bench, last.name, job, champion) is not None
    )
    return last.name if repeats else None


def _limits(budget: dict[str, Any]) -> dict[str, Any]:
    """The budget without what only its plan depends on."""
    return {name: value for name, value in budget.items() if name != "probe"}
