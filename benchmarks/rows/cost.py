"""What one trial and one preparation of the data cost, in CPU seconds."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bench import Bench, Measured
from benchmarks.result import Goal, Result, middle

REFERENCE = {"ngrams": 2, "match": 20, "min_child_samples": 15, "weighted": True}
"""The hyperparameters of both sides: the middle of the reference's search space. The yardstick always weighs."""


def dataset(bench: Bench) -> str:
    """The folder of the dataset that all trials of this module are trained on."""
    return str(preparations(bench)[0]["folder"])


def preparations(bench: Bench) -> list[dict[str, Any]]:
    """Preparing the data from nothing, once a run."""
    return bench.once(_preparations)


def yardstick_training(bench: Bench) -> dict[str, Any]:
    """The reference's trial. It takes minutes, so it is made once."""
    chosen = {"match": REFERENCE["match"], "ngrams": REFERENCE["ngrams"], "least": REFERENCE["min_child_samples"]}
    value: dict[str, Any] = bench.child(
        "yardstick:train", dataset=dataset(bench), trees=bench.scale.trees, **chosen
    ).value
    return value


def yardstick_pairing(bench: Bench) -> Measured:
    """The reference's preparation of the data, once."""
    folder = bench.new_folder("pairs")
    match = bench.options["match"]
    return bench.child("yardstick:pair_row_by_row", raw=str(bench.raw()), folder=str(folder), match=match)


def reference_trials(bench: Bench) -> list[dict[str, Any]]:
    """Our faq_reference with the yardstick's hyperparameters, once a run."""
    return [first for (first,) in _trials(bench, "faq_reference", {**REFERENCE, "trees": bench.scale.trees})]


def ranker_trials(bench: Bench) -> list[list[dict[str, Any]]]:
    """faq_ranker with its default hyperparameters, then with the same features and other trees, once a run."""
    first = dict(bench.scale.ranker)
    return _trials(bench, "faq_ranker", first, {**first, "num_leaves": 8})


def reference_cpu(bench: Bench) -> Result:
    """CPU of a faq_reference trial against the yardstick."""
    theirs, ours = bench.once(yardstick_training), bench.once(reference_trials)
    low, high = theirs["test"], ours[0]["test"]
    return Result(
        f"CPU of a faq_reference trial, {bench.scale.trees} trees, words and pairs of words, against the yardstick, "
        "gains equal",
        [theirs["cpu"] / one["cpu"] for one in ours],
        unit="times less",
        goal=Goal(">=", 5),
        beside=f"{_beside(theirs, ours)}; gains {_gains(high)} against {_gains(low)}",
        holds=all(high[name][0] >= low[name][0] - _joint_error(low[name], high[name]) for name in low),
        details=_profile({"yardstick": theirs, "faq_reference": ours[0]}),
    )


def ranker_cpu(bench: Bench) -> Result:
    """CPU of a faq_ranker trial against the yardstick."""
    theirs, ours = bench.once(yardstick_training), [first for first, _ in bench.once(ranker_trials)]
    return Result(
        "CPU of a faq_ranker trial with better gains than the yardstick, features counted",
        [theirs["cpu"] / one["cpu"] for one in ours],
        unit="times less",
        goal=Goal(">=", 25),
        beside=f"{_beside(theirs, ours)}; gains {_gains(ours[0]['test'])} against {_gains(theirs['test'])}",
        holds=_is_better(ours[0], theirs),
        details=_profile({"faq_ranker": ours[0]}),
    )


def ranker_cpu_again(bench: Bench) -> Result:
    """CPU of a faq_ranker trial whose features were made before, against the yardstick."""
    theirs, ours = bench.once(yardstick_training), [second for _, second in bench.once(ranker_trials)]
    return Result(
        "the same of a second trial with the same features",
        [theirs["cpu"] / one["cpu"] for one in ours],
        unit="times less",
        goal=Goal(">=", 50),
        beside=_beside(theirs, ours),
        holds=_is_better(ours[0], theirs),
    )


def prepare_cpu(bench: Bench) -> Result:
    """CPU of preparing the data against pairing row by row."""
    theirs, ours = bench.once(yardstick_pairing), preparations(bench)
    return Result(
        f"CPU of data preparation against row-by-row pairing, {bench.options['match']} questions a training text",
        [theirs.cpu / one["cpu"] for one in ours],
        unit="times less",
        goal=Goal(">=", 50),
        beside=f"{middle([one['cpu'] for one in ours], 's')} against {theirs.cpu:.0f} s",
    )


def prepare_seconds(bench: Bench) -> Result:
    """Seconds to prepare the data."""
    ours = preparations(bench)
    return Result("preparing the data", [one["seconds"] for one in ours], unit="s", goal=Goal("<", 10))


def threads(bench: Bench) -> Result:
    """A trial on all cores against a trial on each core."""
    arguments = {"dataset": dataset(bench), "recipe": "faq_ranker", "folder": str(bench.new_folder("threads"))}
    size = {"trials": bench.cores, "cores": bench.cores, "runs": bench.runs}
    walls = bench.child("training:train_both_ways", threads=bench.cores, **arguments, **size).value
    return Result(
        f"wall of {bench.cores} faq_ranker trials, one after the other with {bench.cores} threads, "
        "against side by side with one",
        [wide / narrow for wide, narrow in walls],
        beside="hence the rule: a process a core, one thread a trial",
    )


def _preparations(bench: Bench) -> list[dict[str, Any]]:
    def prepare() -> dict[str, Any]:
        home = str(bench.new_folder("home"))
        value: dict[str, Any] = bench.child(
            "training:prepare", raw=str(bench.raw()), home=home, options=bench.options
        ).value
        return value

    return bench.repeat(prepare)


def _trials(bench: Bench, recipe: str, *trials: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The trials in a process of their own, once a run. Gains are those of the first run: they are the same in all."""
    arguments = {"dataset": dataset(bench), "recipe": recipe, "trials": list(trials)}
    return [
        bench.child("training:train", **arguments, folder=str(bench.new_folder(recipe)), tested=run == 0).value
        for run in range(bench.runs)
    ]


def _beside(theirs: Mapping[str, Any], ours: Sequence[Mapping[str, Any]]) -> str:
    return f"{middle([one['cpu'] for one in ours], 's')} against {theirs['cpu']:.0f} s (once)"


def _gains(test: Mapping[str, Sequence[float]]) -> str:
    return " ".join(f"{mean:.3f}" for mean, _ in test.values())


def _joint_error(one: Sequence[float], other: Sequence[float]) -> float:
    return float((one[1] ** 2 + other[1] ** 2) ** 0.5)


def _is_better(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    return all(ours["test"][name][0] > theirs["test"][name][0] for name in theirs["test"])


def _profile(trials: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, trial in trials.items():
        lines += [f"| {name} | CPU s |", "| --- | ---: |"]
        lines += [f"| {phase} | {seconds:.2f} |" for phase, seconds in trial["phases"].items()]
        lines.append("")
    return "\n".join(lines)


NEEDS = {
    reference_cpu: (yardstick_training, reference_trials),
    ranker_cpu: (yardstick_training, ranker_trials),
    ranker_cpu_again: (yardstick_training, ranker_trials),
    prepare_cpu: (yardstick_pairing,),
}
ROWS = (reference_cpu, ranker_cpu, ranker_cpu_again, prepare_cpu, prepare_seconds, threads)
