"""Whole searches: the same seeded random trials under our flow and under what people use today."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Failure, Measured, server
from benchmarks.result import Goal, Result, middle
from benchmarks.rows.cost import dataset
from cli.in_process import LOGGING, QUIET

PEERS = ("optuna", "ray", "sklearn")
SAME = 1e-6
"""The trials' values are the same where none differs by more."""


def our_search(bench: Bench, *, trials: int, shared: Path | None = None, **parameters: Any) -> Measured:
    """One random search without early stopping through our flow's own tasks; its value tells what came of it."""
    search = {"trials": trials, "sampler": "random", "stopping": "none"}
    home = str(bench.new_folder("search-home"))
    measured = bench.child(
        "search:run_search",
        shared=shared,
        environment=LOGGING | QUIET,  # as the command `retune run` has them
        parameters={"search": search, "compute": {"nodes": bench.cores}, **parameters},
        home=home,
        api=bench.api(),
    )
    if measured.value["states"] != ["completed"]:
        raise Failure(f"The trials ended as {measured.value['states']}, not all of them completed.")
    return measured


def rounds(bench: Bench) -> list[dict[str, dict[str, Any]]]:
    """Ours, and after it each peer's, once a run: a shared machine is not as fast in one minute as in the next."""
    return bench.repeat(lambda: _round(bench))


def against_optuna(bench: Bench) -> Result:
    """Search wall against bare Optuna, a process a core."""
    return _against(bench, "optuna", "bare Optuna", Goal("<=", 1.10))


def against_ray(bench: Bench) -> Result:
    """Search wall against Ray Tune."""
    return _against(bench, "ray", "Ray Tune", Goal("<", 1.0))


def against_sklearn(bench: Bench) -> Result:
    """Search wall against scikit-learn's random search."""
    return _against(bench, "sklearn", "scikit-learn's random search", None)


def busy_workers(bench: Bench) -> Result:
    """Share of the workers' time in which they trained; later runs find the first's features, which makes it harder."""
    trials, shared = bench.scale.busy_trials, bench.new_folder("shared")
    found = bench.repeat(lambda: our_search(bench, trials=trials, shared=shared, data=_data(bench)).value)
    return Result(
        f"sum of trial seconds / (workers x search wall), {trials} trials",
        [one["trial_seconds"] / (one["nodes"] * one["seconds"]["search"]) for one in found],
        unit="",
        goal=Goal(">=", 0.90),
        beside=", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in found[-1]["seconds"].items()),
    )


def _data(bench: Bench) -> dict[str, Any]:
    return {**bench.options, "source": str(bench.raw())}


def _round(bench: Bench) -> dict[str, dict[str, Any]]:
    trials = bench.scale.search_trials
    job = {"dataset": dataset(bench), "recipe": "faq_ranker", "seed": 0}
    found = {"ours": our_search(bench, trials=trials, data=_data(bench)).value}
    for peer in filter(find_spec, PEERS):
        folder = str(bench.new_folder(peer))
        shared = {"trials": trials, "processes": bench.cores, "folder": folder}
        found[peer] = bench.child(f"peers:run_{peer}", **shared, **job).value
    return found


def _against(bench: Bench, peer: str, words: str, goal: Goal | None) -> Result:
    if find_spec(peer) is None:
        raise Failure(f"{words} is not installed: make bench installs it.")
    found = bench.once(rounds)
    ours, theirs = [one["ours"] for one in found], [one[peer] for one in found]
    trials = bench.scale.search_trials
    walls = [one["seconds"]["search"] for one in ours]
    rounds_of_both = zip(ours, theirs, strict=True)
    differs = max(abs(a - b) for one, two in rounds_of_both for a, b in zip(one["values"], two["values"], strict=True))
    same = "all values equal" if differs <= SAME else f"values differ by up to {differs:.4f}"
    return Result(
        f"search wall of {trials} faq_ranker trials against {words}",
        [wall / one["seconds"] for wall, one in zip(walls, theirs, strict=True)],
        goal=goal,
        beside=f"{middle(walls, 's')} against {middle([one['seconds'] for one in theirs], 's')}; {same}",
        holds=differs <= SAME,
    )


ROWS = (against_optuna, against_ray, against_sklearn, busy_workers)
NEEDS = dict.fromkeys(ROWS, (server,))
