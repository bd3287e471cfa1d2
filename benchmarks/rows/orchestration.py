"""What running a trial costs beside the trial: trials that return at once."""

from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench, Measured
from benchmarks.result import Goal, Result, middle
from benchmarks.rows.search import our_search

RECIPE = "benchmarks.measured.instant:recipe"


def overhead(bench: Bench) -> Result:
    """Wall a trial against a bare Prefect task.map."""
    return _against_bare(bench, ours, "a trial, {} trials that return at once", Goal("<=", 3))


def least_overhead(bench: Bench) -> Result:
    """Wall of Prefect tasks that each wait for a Dask task, with nothing of ours, against a bare Prefect task.map."""
    return _against_bare(bench, on_dask, "a task, {} Prefect tasks that each wait for a Dask task which does nothing")


def ours(bench: Bench, size: int) -> dict[str, Any]:
    """A search of so many trials that return at once."""
    found = _instant(bench, size).value
    return {**found, "seconds": found["seconds"]["trials"]}


def on_dask(bench: Bench, size: int) -> dict[str, Any]:
    """A Prefect task.map on Dask."""
    value: dict[str, Any] = bench.child("search:map_on_dask", tasks=size, workers=bench.cores, api=bench.api()).value
    return value


def bare(bench: Bench, size: int) -> dict[str, Any]:
    """A Prefect task.map and nothing else."""
    value: dict[str, Any] = bench.child("search:map_bare", tasks=size, api=bench.api()).value
    return value


def _against_bare(
    bench: Bench, way: Callable[[Bench, int], dict[str, Any]], words: str, goal: Goal | None = None
) -> Result:
    size = bench.scale.instant_trials
    found = bench.repeat(lambda: (way(bench, size), bare(bench, size)))

    def each(seconds: Callable[[dict[str, Any]], float]) -> str:
        both = zip(*found, strict=True)
        return " against ".join(middle([1000 * seconds(one) / size for one in side], "ms") for side in both)

    def cpu(which: str) -> str:
        return f"{which} {each(lambda one: one['cpu'][which])}"

    return Result(
        f"wall {words.format(size)}, against a bare Prefect task.map",
        [one["seconds"] / other["seconds"] for one, other in found],
        goal=goal,
        beside=f"{each(lambda one: one['seconds'])}; until the server has written all task runs "
        f"{each(lambda one: one['settled'])}; CPU in the meantime: {cpu('flow')}; {cpu('workers')}; {cpu('server')}",
    )


def memory(bench: Bench) -> Result:
    """Peak memory of the flow process with many trials against few."""
    few, many = bench.scale.few_and_many
    found = bench.once(few_and_many)
    small, large = [one.memory for one, _ in found], [other.memory for _, other in found]
    return Result(
        f"peak memory of the flow process, {many} trials against {few}",
        [mine / other for mine, other in zip(large, small, strict=True)],
        goal=Goal("<=", 1.3),
        beside=f"{middle(large, 'MB')} against {middle(small, 'MB')}",
    )


def flat_cost(bench: Bench) -> Result:
    """CPU a trial of the flow process with many trials against few."""
    few, many = bench.scale.few_and_many
    found = bench.once(few_and_many)
    small = [one.value["cpu"]["flow"] / few for one, _ in found]
    large = [other.value["cpu"]["flow"] / many for _, other in found]
    return Result(
        f"CPU a trial of the flow process, {many} trials against {few}",
        [mine / other for mine, other in zip(large, small, strict=True)],
        beside=f"{middle([1000 * one for one in large], 'ms')} against {middle([1000 * one for one in small], 'ms')}",
    )


def few_and_many(bench: Bench) -> list[tuple[Measured, Measured]]:
    """The flow process after few trials, and another after many, once a run."""
    few, many = bench.scale.few_and_many
    return bench.repeat(lambda: (_instant(bench, few), _instant(bench, many)))


def _instant(bench: Bench, trials: int) -> Measured:
    parameters: dict[str, Any] = {"recipe": RECIPE, "model_name": "instant"}
    return our_search(bench, trials=trials, **parameters)


ROWS = (overhead, memory, flat_cost)
MORE = (least_overhead,)
