"""Whole searches: the same seeded random trials under our flow and under what people use today."""

from typing import Any

from benchmarks.bench import Bench, Measured
from benchmarks.result import Goal, Result, middle
from benchmarks.rows.cost import dataset

SAME = 1e-6
"""The trials' values are the same where none differs by more."""


def our_search(bench: Bench, *, trials: int, **parameters: Any) -> Measured:
    """One random search without early stopping through our flow's own tasks; its value tells what came of it."""
    search = {"trials": trials, "sampler": "random", "stopping": "none"}
    home = str(bench.new_folder("search-home"))
    measured = bench.child(
        "search:run_search",
        parameters={"search": search, "compute": {"nodes": bench.cores}, **parameters},
        home=home,
        api=bench.api(),
    )
    if measured.value["states"] != ["completed"]:
        raise RuntimeError(f"The trials ended as {measured.value['states']}, not all of them completed.")
    return measured


def our_searches(bench: Bench) -> list[dict[str, Any]]:
    """Ours, once a run."""
    return bench.repeat(lambda: our_search(bench, trials=bench.scale.search_trials, data=_data(bench)).value)


def against_optuna(bench: Bench) -> Result:
    """Search wall against bare Optuna, a process a core."""
    return _against(bench, "optuna", "bare Optuna", Goal("<=", 1.10))


def against_ray(bench: Bench) -> Result:
    """Search wall against Ray Tune."""
    return _against(bench, "ray", "Ray Tune", Goal("<", 1.0))


def against_sklearn(bench: Bench) -> Result:
    """Search wall against scikit-learn's random search."""
    return _against(bench, "sklearn", "scikit-learn's random search", None, runs=1)


def busy_workers(bench: Bench) -> Result:
    """Share of the workers' time in which they trained."""
    trials = bench.scale.busy_trials
    found = bench.repeat(lambda: our_search(bench, trials=trials, data=_data(bench)).value)
    return Result(
        f"sum of trial seconds / (workers x search wall), {trials} trials",
        [one["trial_seconds"] / (one["nodes"] * one["seconds"]["search"]) for one in found],
        unit="",
        goal=Goal(">=", 0.90),
        beside=", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in found[-1]["seconds"].items()),
    )


def _data(bench: Bench) -> dict[str, Any]:
    return {**bench.options, "source": str(bench.raw())}


def _against(bench: Bench, peer: str, words: str, goal: Goal | None, *, runs: int | None = None) -> Result:
    ours = bench.once(our_searches)
    job = {"dataset": dataset(bench), "recipe": "faq_ranker", "seed": 0}
    trials = bench.scale.search_trials
    theirs = bench.repeat(
        lambda: (
            bench.child(
                f"peers:run_{peer}",
                trials=trials,
                processes=bench.cores,
                folder=str(bench.new_folder(peer)),
                **job,
            ).value
        ),
        runs,
    )
    walls = [one["seconds"]["search"] for one in ours]
    differs = max(abs(a - b) for a, b in zip(ours[0]["values"], theirs[0]["values"], strict=True))
    same = "all values equal" if differs <= SAME else f"values differ by up to {differs:.4f}"
    return Result(
        f"search wall of {trials} faq_ranker trials against {words}",
        [wall / one["seconds"] for wall, one in zip(walls, theirs, strict=False)],
        goal=goal,
        beside=f"{middle(walls, 's')} against {middle([one['seconds'] for one in theirs], 's')}; {same}",
        holds=differs <= SAME,
    )


ROWS = (against_optuna, against_ray, against_sklearn, busy_workers)
