"""What early stopping saves, and what it loses."""

import json
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Goal, Result
from benchmarks.rows.cost import dataset

SEEDS = 5
LOSS = 0.5
"""Points of gain@3 that may be lost."""
SAVED = Goal(">=", 40)


def asha_reference(bench: Bench) -> Result:
    """CPU that ASHA saves in a search of faq_reference."""
    return _saved(bench, "faq_reference", "asha", SAVED)


def median_reference(bench: Bench) -> Result:
    """CPU that the median rule saves in a search of faq_reference."""
    return _saved(bench, "faq_reference", "median", None)


def asha_ranker(bench: Bench) -> Result:
    """CPU that ASHA saves in a search of faq_ranker."""
    return _saved(bench, "faq_ranker", "asha", SAVED)


def median_ranker(bench: Bench) -> Result:
    """CPU that the median rule saves in a search of faq_ranker."""
    return _saved(bench, "faq_ranker", "median", None)


def reference_curves(bench: Bench) -> str:
    """File of faq_reference's trials, trained to their ends on a part of the data: on all of it they take an hour."""
    return _curves(bench, "faq_reference", bench.once(part_dataset))


def ranker_curves(bench: Bench) -> str:
    """File of faq_ranker's trials, trained to their ends on all of the data."""
    return _curves(bench, "faq_ranker", dataset(bench))


def _saved(bench: Bench, recipe: str, rule: str, goal: Goal | None) -> Result:
    file = bench.once(reference_curves if recipe == "faq_reference" else ranker_curves)
    arguments: dict[str, Any] = {"file": file, "recipe": recipe, "rule": rule, "trials": bench.scale.drawn}
    found = bench.child("stopping:replay", **arguments, seeds=SEEDS, nodes=bench.cores).value
    lost = sum(found["lost"]) / SEEDS
    trees = ", ".join(f"{100 * share:.0f}" for share in found["trees"])
    losses = ", ".join(f"{points:.2f}" for points in found["lost"])
    tuned = sum(found["lost_of_tuned"]) / SEEDS
    return Result(
        f"CPU saved by {rule} in a search of {recipe}, {SEEDS} seeds, at most {LOSS} points of gain@3 lost",
        [100 * share for share in found["cpu"]],
        unit="%",
        goal=goal,
        beside=f"trees saved {trees} %; lost {losses} points of gain@3, {lost:.2f} on average, "
        f"and {tuned:.2f} of the tuned gain@1; "
        f"{100 * max(found['within_reach']):.0f} % of the CPU comes after the first report, and no stop can save more",
        holds=lost <= LOSS,
    )


def part_dataset(bench: Bench) -> str:
    """The dataset of the part of the data on which the curves are drawn."""
    home = str(bench.new_folder("part-home"))
    made = bench.child("training:prepare", raw=str(bench.part()), home=home, options=bench.options)
    return str(made.value["folder"])


def _curves(bench: Bench, recipe: str, folder_of_dataset: str) -> str:
    folder = bench.new_folder("curves")
    arguments = {"dataset": folder_of_dataset, "recipe": recipe, "folder": str(folder)}
    curves = bench.child("stopping:train_curves", trials=bench.scale.curves, **arguments).value
    file = folder / "curves.json"
    file.write_text(json.dumps(curves))
    return str(file)


NEEDS = {
    asha_reference: (reference_curves,),
    median_reference: (reference_curves,),
    asha_ranker: (ranker_curves,),
    median_ranker: (ranker_curves,),
}
ROWS = (asha_reference, median_reference, asha_ranker, median_ranker)
