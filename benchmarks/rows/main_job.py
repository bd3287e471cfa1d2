"""The main job on one machine, as its user runs it."""

import subprocess
import sys
from typing import Any

from benchmarks.bench import Bench, Failure, Measured
from benchmarks.result import Goal, Result, middle
from retuner.settings import CHECKOUT

METRICS = {"gain@1": 0.93, "gain@2": 0.968, "gain@3": 0.978}


def make_run(bench: Bench) -> list[dict[str, Any]]:
    """`make run` in a new clone, with no virtual environment and an empty home: the first time, then once a run."""
    folder = bench.new_folder("clone")
    command, environment = ["make", "run"], {"RETUNER_HOME": str(bench.new_folder("home"))}
    if bench.scale.whole_commands:
        _clone(str(folder))
    else:
        few = ["--trials", str(bench.scale.tuned_trials), "--data", str(bench.raw()), "--min-text", "0"]
        command, environment["PYTHONPATH"] = [sys.executable, "-m", "cli.main", "run", *few], str(CHECKOUT)

    def run() -> dict[str, Any]:
        arguments = {"command": command, "folder": str(folder), "environment": environment}
        value: dict[str, Any] = bench.child("commands:run_command", **arguments).value
        return value

    return [run(), *bench.repeat(run)]


def make_run_seconds(bench: Bench) -> Result:
    """Wall of the second `make run`."""
    first, *later = bench.once(make_run)
    return Result(
        "second `make run`, server start included",
        [one["seconds"] for one in later],
        unit="s",
        goal=Goal("<", 90),
        beside=f"the first time, with the packages installed from what this machine had fetched, "
        f"{first['seconds']:.0f} s",
    )


def make_run_memory(bench: Bench) -> Result:
    """Peak memory of all processes of `make run`."""
    return Result(
        "peak memory of all its processes",
        [one["memory"] for one in bench.once(make_run)],
        unit="MB",
        goal=Goal("<", 3000),
        beside="sum of resident memory, pages that processes share counted every time",
    )


def retunes(bench: Bench) -> list[dict[str, Any]]:
    """`retune run` on the data with the default recipe, once for each split seed."""
    return [_retune(bench, seed).value for seed in bench.scale.split_seeds]


def retune_minutes(bench: Bench) -> Result:
    """Minutes of a retune of the data."""
    found = bench.once(retunes)
    stages = found[-1]["document"]["seconds"]
    return Result(
        f"retune of the data, default recipe, {bench.scale.tuned_trials} trials",
        [one["seconds"] / 60 for one in found],
        unit="minutes",
        goal=Goal("<", 6),
        beside=", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in stages.items()),
    )


def gain_at_1(bench: Bench) -> Result:
    """gain@1 on the test set, mean over the split seeds."""
    return _gain(bench, "gain@1")


def gain_at_2(bench: Bench) -> Result:
    """gain@2 on the test set, mean over the split seeds."""
    return _gain(bench, "gain@2")


def gain_at_3(bench: Bench) -> Result:
    """gain@3 on the test set, mean over the split seeds."""
    return _gain(bench, "gain@3")


def _gain(bench: Bench, metric: str) -> Result:
    documents = [one["document"] for one in bench.once(retunes)]
    values = [document["test"][metric] for document in documents]
    errors = [document["standard_errors"][metric] for document in documents]
    mean = sum(values) / len(values)
    return Result(
        f"its {metric} on the test set, mean over the split seeds {', '.join(map(str, bench.scale.split_seeds))}",
        values,
        unit="",
        goal=Goal(">=", METRICS[metric]),
        figure=mean,
        beside=f"standard error of one {middle(errors, '')}".strip(),
    )


def _retune(bench: Bench, split_seed: int) -> Measured:
    options = ["--data", str(bench.raw()), "--min-text", "0", "--trials", str(bench.scale.tuned_trials)]
    home = str(bench.new_folder("retune-home"))
    return bench.child(
        "commands:retune", options=[*options, "--split-seed", str(split_seed)], folder=str(CHECKOUT), home=home
    )


def _clone(folder: str) -> None:
    """What is committed; a benchmark of other files could not be repeated."""
    done = subprocess.run(
        ["git", "clone", "--quiet", "--local", str(CHECKOUT), folder], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"git could not clone {CHECKOUT}: {done.stderr.strip()}")


ROWS = (make_run_seconds, make_run_memory, retune_minutes, gain_at_1, gain_at_2, gain_at_3)
