"""Our search, whole: the flow's own tasks, coordinator, ledger and Dask workers, up to the leaderboard."""

import operator
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from cli import prefect_process
from cli.prefect_server import wait_until_settled
from cli.progress import show_lines
from retuner.logs import prepare_logs
from retuner.parameters import Parameters
from retuner.parameters.values import parse_parameters
from retuner.settings import read_settings
from retuner.stages.search import open_study_target
from retuner.workbench import open_workbench
from tasks.data import prepare_dataset, store_dataset
from tasks.search import aggregate, libraries_left_out, open_study, run_trials, scale_back, scale_up
from tasks.stage import started


@dataclass(frozen=True)
class _Cpu:
    """CPU seconds so far: of this process, of those that it started, and of the Prefect server."""

    flow: float
    workers: float
    server: float

    @classmethod
    def now(cls) -> "_Cpu":
        workers = sum(_cpu_of(child) for child in psutil.Process().children(recursive=True))
        server = prefect_process.find(Path(os.environ["PREFECT_HOME"]))
        return cls(time.process_time(), workers, 0.0 if server is None else _cpu_of(psutil.Process(server.pid)))

    def since(self, before: "_Cpu") -> dict[str, float]:
        return {name: value - getattr(before, name) for name, value in asdict(self).items()}


def _cpu_of(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(used.user + used.system)


@flow(name="benchmark-search", persist_result=False)
def search(parameters: Parameters, home: str) -> dict[str, Any]:
    """What `flows/retune.py` does up to the best trial; wall seconds of the stages, and the trials as they ended."""
    settings = read_settings({"RETUNER_HOME": home})
    prepare_logs(settings.log)
    with open_workbench(parameters, settings, threading.Event()) as bench:
        dataset = prepare_dataset(bench)
        store_dataset(bench, dataset)
        study = open_study(bench, dataset, None)
        target = open_study_target(bench, study)
        try:
            clock = time.monotonic()
            scale_up(bench, study, target)
            nodes, scaled = target.nodes, time.monotonic() - clock
            before, first = _Cpu.now(), time.monotonic()
            run_trials(bench, study, target)
            cpu, ran = _Cpu.now().since(before), time.monotonic() - first
            clock = time.monotonic()
            aggregate(bench, study)
            seconds = {"scale": scaled, "trials": ran, "aggregate": time.monotonic() - clock}
        finally:
            scale_back(bench, study, target)
        trials = bench.ledger.trials(study.name)
    values = [trial.value for trial in trials]
    return {
        "seconds": {**seconds, "search": sum(seconds.values())},
        "cpu": cpu,
        "first": first,
        "nodes": nodes,
        "states": sorted({trial.state.value for trial in trials}),
        "values": values,
        "trial_seconds": sum(trial.seconds or 0.0 for trial in trials),
    }


def run_search(*, parameters: dict[str, Any], home: str, api: str) -> dict[str, Any]:
    """Run the search and leave when the server at `api` has written all of it, so that it is idle for what follows."""
    with show_lines():
        found: dict[str, Any] = search(parse_parameters(parameters), home)
    return _settled(found, api, started)


def map_bare(*, tasks: int, api: str) -> dict[str, Any]:
    """A bare Prefect `task.map` over tasks that return at once: wall and CPU seconds."""
    return _mapped(lambda number: number, tasks, api)


def map_on_dask(*, tasks: int, workers: int, api: str) -> dict[str, Any]:
    """The same where each task waits for a Dask task that does nothing, enough at a time that no worker waits for one.

    The collector leaves out the libraries, as in our search. The cluster is a plain one, without TLS.
    """
    import dask  # here, since a bare map would be the slower for what it has loaded
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.worker.profile.enabled": False})
    one_each = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**one_each) as cluster, Client(cluster) as client, libraries_left_out():

        def on_dask(number: int) -> Any:
            return client.submit(operator.index, number, pure=False).result()

        return _mapped(on_dask, tasks, api, at_once=8 * workers)


def _mapped(call: Callable[[int], Any], tasks: int, api: str, at_once: int | None = None) -> dict[str, Any]:
    runs: set[str] = set()
    instant = task(call, name="instant", cache_policy=NO_CACHE, persist_result=False)
    runner = ThreadPoolTaskRunner() if at_once is None else ThreadPoolTaskRunner(max_workers=at_once)

    @flow(name="benchmark-map", task_runner=runner, persist_result=False)
    def mapped() -> dict[str, Any]:
        before, clock = _Cpu.now(), time.monotonic()
        futures = instant.map(range(tasks))
        futures.wait()
        found = {"seconds": time.monotonic() - clock, "cpu": _Cpu.now().since(before), "first": clock}
        runs.update(str(future.task_run_id) for future in futures)
        return found

    return _settled(mapped(), api, runs)


def _settled(found: dict[str, Any], api: str, runs: Collection[str]) -> dict[str, Any]:
    """With the wall from the first task to the moment when the server has written the ends of all of them."""
    if not wait_until_settled(api, runs):
        raise RuntimeError(f"The server at {api} did not write all of its task runs in time.")
    first = found.pop("first")
    return {**found, "settled": time.monotonic() - first}
