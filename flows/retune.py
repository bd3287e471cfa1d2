"""The flow `retune`: what happens, in which order. Each step is a task; the work itself is in retuner/."""

from contextlib import AbstractContextManager
from threading import Event
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Cancelled

from flows.cancellation import stop_when_cancelled
from flows.failure import explain, failed_state
from flows.overrides import keep_deployment_values
from flows.signals import stop_on_signals
from flows.summary import Outcome, Stopwatch, nothing_changed, summarise
from retuner.azure_ml.identity import name_workspaces
from retuner.errors import Interrupted, RetunerError
from retuner.logs import prepare_logs
from retuner.parameters import (
    AzureMlCompute,
    AzureMlRegistry,
    BlobStorage,
    Budget,
    DaskCompute,
    Data,
    FolderStorage,
    Gate,
    GivenModelName,
    MlflowRegistry,
    Notify,
    Parameters,
    RecipeName,
    Search,
    Start,
    StudyName,
)
from retuner.parameters.fields import model_name_of
from retuner.presence import announce
from retuner.search.records import TrialRecord
from retuner.settings import Settings, read_settings
from retuner.stages.search import open_study_target
from retuner.stages.study import Study
from retuner.workbench import Workbench, open_workbench
from tasks.artifacts import write_summary
from tasks.blocks import load_azure_ml_identity, load_blob_credentials
from tasks.data import find_unchanged, prepare_dataset, store_dataset
from tasks.model import check_registry, evaluate_model, register_winner, retrain_best, write_evaluation
from tasks.notify import tell_of_champion, tell_of_failure
from tasks.plan import note_plan, plan_retune, settle_costs
from tasks.report import write_report
from tasks.search import aggregate, check_compute, open_study, run_trials, scale_back, scale_up
from tasks.stage import tell_flow_failure


def flow_run_name() -> str:
    """The flow run by its model."""
    given = flow_run.parameters
    return f"retune-{model_name_of(given['recipe'], given.get('model_name'))}"


@flow(
    name="retune",
    flow_run_name=flow_run_name,
    persist_result=False,
    on_failure=[tell_flow_failure, tell_of_failure],
)
def retune(
    model_name: GivenModelName = None,
    recipe: RecipeName = "faq_ranker",
    data: Data = Data(),
    search: Search = Search(),
    budget: Budget = Budget(),
    compute: DaskCompute | AzureMlCompute = DaskCompute(),
    storage: FolderStorage | BlobStorage = FolderStorage(),
    registry: MlflowRegistry | AzureMlRegistry = MlflowRegistry(),
    gate: Gate = Gate(),
    start: Start = Start(),
    notify: Notify = Notify(),
    resume: StudyName = None,
) -> Any:
    """Tune a recipe on its data, and register the best model if it beats the champion.

    Args:
        model_name: Name of the model in the registry; one flow run at a time works on it. Empty takes the recipe's.
        recipe: What is tuned: `faq_ranker`, `faq_reference`, `tabular`, or your own as `package.module:object`.
        data: Where the data comes from and how it is filtered and split.
        search: Which hyperparameter sets are tried, how many, and when a weak one is stopped.
        budget: What the retune may use up.
        compute: Where trials run.
        storage: Where datasets, results and models lie.
        registry: Where model versions lie.
        gate: When the new model replaces the champion.
        start: When this flow run begins.
        notify: Who is told, and of what.
        resume: Name of an unfinished study that must be continued; empty continues one that fits, if any.
    """
    parameters = Parameters.model_validate(
        {
            "model_name": model_name,
            "recipe": recipe,
            "data": data,
            "search": search,
            "budget": budget,
            "compute": compute,
            "storage": storage,
            "registry": registry,
            "gate": gate,
            "start": start,
            "notify": notify,
        }
    )
    return run_to_end(parameters, resume)


def run_to_end(given: Parameters, resume: str | None) -> Any:
    """One retune as the end of its flow run: whatever goes wrong on purpose is told by the state's message."""
    settings = read_settings()
    prepare_logs(settings.log)
    with stop_on_signals() as stop, announce(flow_run.id, settings), stop_when_cancelled(flow_run.id, stop):
        try:
            with open_bench(given, settings, stop) as bench:
                return run_stages(bench, resume)
        except Interrupted as stopped:
            return Cancelled(message=str(stopped))
        except RetunerError as error:
            return failed_state(error)


def open_bench(given: Parameters, settings: Settings, stop: Event) -> AbstractContextManager[Workbench]:
    """The workbench of the parameters, completed by what the deployment says and what their blocks hold."""
    parameters = keep_deployment_values(given)
    identity = load_azure_ml_identity(parameters.compute)
    return open_workbench(
        name_workspaces(parameters, identity),
        settings,
        stop,
        blob_credentials=load_blob_credentials(parameters.storage),
        azure_ml_identity=identity,
    )


def run_stages(bench: Workbench, resume: str | None) -> Any:
    """All stages of one retune."""
    clock = Stopwatch()
    with clock.measure("plan"):
        check_compute(bench)  # before the plan, which may take a probe trial
        check_registry(bench)
        plan = plan_retune(bench)
    with clock.measure("prepare"):
        dataset = prepare_dataset(bench)
        repeated = find_unchanged(bench, dataset)
        if repeated is not None:
            return nothing_changed(dataset, repeated)
        store_dataset(bench, dataset)
    study = open_study(bench, dataset, resume)
    note_plan(bench, study, plan)
    try:
        best, job = search_and_retrain(bench, study, clock)
        with clock.measure("evaluate"):
            evaluation = evaluate_model(bench, study, job)
        write_evaluation(bench, study, evaluation)
        costs = settle_costs(bench, study)
        # the last that may fail: nothing after it undoes what was achieved
        version = register_winner(bench, study, evaluation)
        if version is not None:
            tell_of_champion(bench.parameters.notify, version, evaluation)
    except RetunerError as error:
        explain(error, bench, study)
        raise
    with clock.measure("report"):
        report = write_report(bench, study)
    outcome = Outcome(best, evaluation, version, costs)
    summary = summarise(bench, study, outcome, report=report, seconds=clock.seconds)
    write_summary(study.name, summary.markdown)
    return summary.state


def search_and_retrain(bench: Workbench, study: Study, clock: Stopwatch) -> tuple[TrialRecord, str]:
    """The stages that need nodes: the best trial, and the name of its final training.

    The nodes are given back whatever happens, and before anything else is done: they cost as long as they are up.
    """
    target = open_study_target(bench, study)
    try:
        with clock.measure("search"):
            scale_up(bench, study, target)
            run_trials(bench, study, target)
            best = aggregate(bench, study)
        with clock.measure("retrain"):
            return best, retrain_best(bench, study, target, best)
    finally:
        # its own failure is told, and the clean-up tries again
        scale_back(bench, study, target, return_state=True)
