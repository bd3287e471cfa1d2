"""Stage 3: search. The coordinator runs the trials; this says with which budget and on how many nodes."""

from collections.abc import Callable, Iterable
from typing import Any

from retuner.compute import check_target, open_target
from retuner.compute.azure_ml_requests import signed_seconds
from retuner.compute.target import ComputeTarget, StudyEnd
from retuner.cost.limits import limits
from retuner.cost.spending import rounded
from retuner.errors import RetunerError, UserError
from retuner.parameters import AzureMlCompute, DaskCompute
from retuner.parameters.nodes import ALL_WORKERS, nodes_kept, nodes_wanted
from retuner.search.budget import SearchBudget
from retuner.search.coordinator import Coordinator
from retuner.search.draws import planned_trials
from retuner.search.entries import FINAL, KEPT_UP
from retuner.search.ledger import Ledger
from retuner.search.patience import Pace
from retuner.search.progress import Progress
from retuner.search.records import StudyRecord, TrialRecord, best_trial, is_scored, now, ranked
from retuner.search.states import StudyState
from retuner.stages.budget import open_purse, search_minutes
from retuner.stages.study import Study, training_job
from retuner.workbench import Workbench

KEPT = "kept_nodes"
"""In a study's target: the nodes that it kept before the study."""
AZURE_ML = "azure_ml"
GIVEN_BACK = "given_back"
"""In a study's target: set once they are the only ones that it keeps, and nothing of the study is left on it."""


def check_compute(bench: Workbench) -> None:
    """Raise UserError where the search cannot have its nodes, or they no signatures; nothing is created for it."""
    compute, longest = bench.parameters.compute, limits(bench.parameters.budget)
    if isinstance(compute, AzureMlCompute):
        bench.store.node_secrets(signed_seconds(max(longest.trial, longest.final), compute.wait_minutes))
    check_target(compute, nodes_wanted(bench.parameters), stop=bench.stop, identity=bench.azure_ml_identity)


def open_study_target(bench: Workbench, study: Study) -> ComputeTarget:
    """The compute target of the parameters; nothing is started yet."""
    return open_target(
        bench.parameters.compute,
        study.snapshot,
        bench.settings,
        node_secrets=bench.store.node_secrets,
        identity=bench.azure_ml_identity,
        stop=bench.stop,
    )


def scale_up(bench: Workbench, study: Study, target: ComputeTarget) -> int:
    """Scale the target for the study; what will be scaled is in the ledger before. Returns the number of nodes."""
    nodes = nodes_wanted(bench.parameters)
    compute = bench.parameters.compute.model_dump(mode="json")
    kept = min(target.kept_nodes(), _kept_before(bench.ledger.study(study.name), compute))
    bench.ledger.update_study(study.name, target={**compute, "nodes": nodes, KEPT: kept})
    note_kept_nodes(bench.ledger, study.name, nodes_kept(bench.parameters))
    target.scale(kept, nodes)
    return target.nodes


def compute_of(target: dict[str, Any]) -> DaskCompute | AzureMlCompute:
    """The parameters of the compute target that a study was scaled up on, by the ledger's entry of it."""
    model = AzureMlCompute if target["target"] == AZURE_ML else DaskCompute
    return model.model_validate({name: target[name] for name in model.model_fields if name in target})


def _kept_before(study: StudyRecord, compute: dict[str, Any]) -> int:
    """What the target kept before a flow run, or an earlier try of this one, that has not given its nodes back.

    It has left its own minimum behind, and the ledger alone knows the one before it. Raises UserError where it is
    another cluster, whose nodes would be forgotten; those of Dask are gone with their process.
    """
    left = study.target
    if KEPT not in left or left.get(GIVEN_BACK):
        return ALL_WORKERS
    if _is_same(left, compute):
        return int(left[KEPT])
    if left["target"] == AZURE_ML:
        raise UserError(
            f"{study.name} has not given back its nodes of the cluster {left['cluster']} yet: wait for the flow "
            f"clean-up, or continue it with compute.cluster = {left['cluster']}."
        )
    return ALL_WORKERS


def _is_same(left: dict[str, Any], compute: dict[str, Any]) -> bool:
    return all(left.get(field) == compute.get(field) for field in ("target", "workspace", "cluster"))


def scale_back(bench: Workbench, study: Study, target: ComputeTarget) -> None:
    """Stop what still runs, and let the target keep as many nodes as before the study. Written down once it is done.

    Nodes are given back even where the rest fails, which it does for ever where a right is missing. It is not written
    down then, so that the clean-up does the rest.
    """
    try:
        target.close(_end_now(bench, study))
    finally:
        left = bench.ledger.study(study.name).target
        is_scaled = KEPT in left and _is_same(left, bench.parameters.compute.model_dump(mode="json"))
        if is_scaled:
            target.scale(left[KEPT], 0)
            note_kept_nodes(bench.ledger, study.name, 0)
    if is_scaled:
        bench.ledger.update_study(study.name, target={**left, GIVEN_BACK: True})


def end_of(study: StudyRecord, *, is_stopped: bool = False) -> StudyEnd:
    """How the study ended on its target, which is left once the final training is done."""
    if study.state is StudyState.FAILED:
        return "failed"
    is_done = study.state is StudyState.FINISHED or (FINAL in study.stages and not is_stopped)
    return "completed" if is_done else "stopped"


def _end_now(bench: Workbench, study: Study) -> StudyEnd:
    """A ledger that cannot be read keeps no job alive."""
    try:
        return end_of(bench.ledger.study(study.name), is_stopped=bench.stop.is_set())
    except RetunerError:
        return "stopped"


def note_kept_nodes(ledger: Ledger, study: str, nodes: int) -> None:
    """Write down that from now on so many nodes are kept up for the study: they cost also where they have no work."""
    spans = list(ledger.study(study).stages.get(KEPT_UP, {}).get("spans", ()))
    present = now().isoformat()
    closed = [{**one, "until": one["until"] or present} for one in spans]
    opened = [{"nodes": nodes, "since": present, "until": None}] if nodes else []
    if spans or opened:
        ledger.write_stage(study, KEPT_UP, {"spans": closed + opened})


def make_coordinator(
    bench: Workbench,
    study: Study,
    target: ComputeTarget,
    on_change: Callable[[Progress], None],
    *,
    pace: Pace | None = None,
) -> Coordinator:
    """The coordinator of the study's trials, ready to run."""
    parameters, compute = bench.parameters, bench.parameters.compute
    budget = SearchBudget(
        trials=parameters.search.trials,
        parallel=parameters.search.parallel,
        minutes=search_minutes(bench, study),
        min_success_ratio=parameters.budget.min_success_ratio,
        purse=open_purse(bench, study),
        **({"preemptions": compute.preemptions} if isinstance(compute, AzureMlCompute) else {}),
    )

    def make_job(name: str, values: dict[str, Any]) -> Any:
        return training_job(bench, study, name, values)

    return Coordinator(
        bench.ledger,
        study.record,
        target=target,
        budget=budget,
        make_job=make_job,
        stop=bench.stop,
        on_change=on_change,
        pace=pace,
    )


def slots(bench: Workbench, study: Study) -> range:
    """One slot a trial: fewer than asked for where a grid is smaller."""
    return range(planned_trials(study.space, bench.parameters.search.sampler, bench.parameters.search.trials))


def find_best(bench: Workbench, study: Study) -> TrialRecord:
    """The best trial of the study. Raises UserError where none has a value."""
    best = best_trial(bench.ledger.trials(study.name), study.record.identity.direction)
    if best is None:
        raise UserError(f"No trial of {study.name} has a value: see the reasons with: retune status")
    return best


def leaderboard(bench: Workbench, study: Study, target: ComputeTarget) -> list[dict[str, Any]]:
    """All trials as table rows, best first, those without a value last."""
    trials = bench.ledger.trials(study.name)
    rest = [trial for trial in trials if not is_scored(trial)]
    return leaderboard_rows(study, target, [*ranked(trials, study.record.identity.direction), *rest])


def leaderboard_rows(study: Study, target: ComputeTarget, trials: Iterable[TrialRecord]) -> list[dict[str, Any]]:
    """These trials as table rows, in their order; with a link where the target has pages."""
    return [_row(place, trial, study, target) for place, trial in enumerate(trials, start=1)]


def _row(place: int, trial: TrialRecord, study: Study, target: ComputeTarget) -> dict[str, Any]:
    metric = study.record.identity.metric
    link = target.link(trial.attempts[-1].job) if trial.attempts else None
    return {
        "place": place,
        "trial": trial.number,
        "state": trial.state.value,
        metric: None if trial.value is None else round(trial.value, 4),
        "standard error": round(trial.standard_errors[metric], 4) if metric in trial.standard_errors else None,
        "steps": trial.reports[-1][0] if trial.reports else None,
        "seconds": None if trial.seconds is None else round(trial.seconds, 1),
        "attempts": len(trial.attempts),
        **({} if trial.usd is None else {"USD": rounded(trial.usd)}),
        **{name: round(value, 6) if isinstance(value, float) else value for name, value in trial.parameters.items()},
        "message": trial.message or "",
        **({"link": link} if link else {}),
    }
