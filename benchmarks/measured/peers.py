"""The same trials as ours, around the same training function, under what people use today.

Each function returns the wall seconds from the start of its processes to the last result, without its own imports, and
the trials' values in the order of their numbers.
"""

import multiprocessing
import time
from pathlib import Path
from typing import Any

from benchmarks.measured.training import train_number


def run_optuna(*, trials: int, processes: int, folder: str, **job: Any) -> dict[str, Any]:
    """Bare Optuna: `study.optimize` in a process a core, the trials in a journal file that they share."""
    import optuna

    wall = time.monotonic()
    study = optuna.create_study(study_name="peer", storage=_journal(folder), direction="maximize")
    for number in range(trials):
        study.enqueue_trial({}, user_attrs={"number": number})
    workers = multiprocessing.get_context("spawn")
    running = [workers.Process(target=_optimize, args=(trials, folder, job)) for _ in range(processes)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    ended = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    seconds = time.monotonic() - wall
    values = {trial.user_attrs["number"]: trial.value for trial in ended}
    return {"seconds": seconds, "values": [values[number] for number in range(trials)]}


def _journal(folder: str) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    Path(folder).mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(f"{folder}/journal"))


def _optimize(trials: int, folder: str, job: dict[str, Any]) -> None:
    """One process: take the next of the enqueued trials until none is left."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="peer", storage=_journal(folder))

    def objective(trial: optuna.Trial) -> float:
        if "number" not in trial.user_attrs:  # both processes saw the last one waiting
            raise optuna.TrialPruned
        return train_number(trial.user_attrs["number"], folder=folder, **job)

    def stop_at_end(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
            study.stop()

    study.optimize(objective, n_trials=trials, callbacks=[stop_at_end])


def run_ray(*, trials: int, processes: int, folder: str, **job: Any) -> dict[str, Any]:
    """Ray Tune on a local cluster, a core and no GPU a trial; actors are used again, which suits Ray best."""
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> dict[str, Any]:
        number = config["number"]
        return {"value": train_number(number, folder=folder, **job), "number": number}

    wall = time.monotonic()
    ray.init(num_cpus=processes, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"number": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(metric="value", mode="max", reuse_actors=True),
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    )
    results = tuner.fit()
    seconds = time.monotonic() - wall
    ray.shutdown()
    values = {result.metrics["number"]: result.metrics["value"] for result in results}
    return {"seconds": seconds, "values": [values[number] for number in range(trials)]}


def run_sklearn(*, trials: int, processes: int, folder: str, **job: Any) -> dict[str, Any]:
    """scikit-learn's RandomizedSearchCV with joblib's processes, over the numbers of the same trials."""
    from sklearn.model_selection import RandomizedSearchCV

    from benchmarks.measured.numbered_estimator import NumberedTrial

    wall = time.monotonic()
    search = RandomizedSearchCV(
        NumberedTrial(folder=folder, job=job),
        {"number": list(range(trials))},
        n_iter=trials,
        cv=[([0], [0])],  # the training function has its own tune part
        n_jobs=processes,
        error_score="raise",
        refit=False,
        random_state=0,
    )
    search.fit([[0]], [0])
    seconds = time.monotonic() - wall
    found = zip(search.cv_results_["param_number"], search.cv_results_["mean_test_score"], strict=True)
    return {"seconds": seconds, "values": [float(value) for _, value in sorted(found)]}
