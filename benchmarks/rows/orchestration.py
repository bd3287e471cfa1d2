"""What running a trial costs beside the trial: trials that return at once."""

from typing import Any

from benchmarks.bench import Bench, Measured
from benchmarks.result import Goal, Result, middle
from benchmarks.rows.search import our_search

RECIPE = "benchmarks.measured.instant:recipe"


def overhead(bench: Bench) -> Result:
    """Wall a trial against a bare Prefect task.map."""
    trials = bench.scale.instant_trials
    turns = bench.repeat(lambda: (_bare(bench, trials), _instant(bench, trials).value))
    bare, ours = [one for one, _ in turns], [other for _, other in turns]
    walls = [one["seconds"]["trials"] for one in ours]
    wall = f"{_each(walls, trials)} against {_each([one['seconds'] for one in bare], trials)} a trial"
    settled = " against ".join(_each([one["settled"] for one in side], trials) for side in (ours, bare))
    cpu = "; ".join(
        f"{which} {_each([one['cpu'][which] for one in ours], trials)} against "
        f"{_each([one['cpu'][which] for one in bare], trials)}"
        for which in ("flow", "workers", "server")
    )
    return Result(
        f"wall a trial, {trials} trials that return at once, against a bare Prefect task.map",
        [mine / other["seconds"] for mine, other in zip(walls, bare, strict=True)],
        goal=Goal("<=", 3),
        beside=f"{wall}; until the server has written all task runs {settled}; CPU a trial in the meantime: {cpu}",
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


def _bare(bench: Bench, tasks: int) -> dict[str, Any]:
    value: dict[str, Any] = bench.child("search:map_bare", tasks=tasks, api=bench.api()).value
    return value


def _instant(bench: Bench, trials: int) -> Measured:
    parameters: dict[str, Any] = {"recipe": RECIPE, "model_name": "instant"}
    return our_search(bench, trials=trials, **parameters)


def _each(seconds: list[float], trials: int) -> str:
    return middle([1000 * one / trials for one in seconds], "ms")


ROWS = (overhead, memory, flat_cost)
