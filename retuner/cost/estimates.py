"""How long a trial and the final training will take: told, as earlier studies took, or as one probe trial takes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retuner.cost.spending import final_tries
from retuner.search.records import StudyRecord, TrialRecord

if TYPE_CHECKING:
    from retuner.search.ledger import Ledger

FINAL_FACTOR = 8.0
"""Final training against a trial, where no earlier study tells: the most that a built-in recipe asks for."""


@dataclass(frozen=True)
class Estimate:
    """Expected seconds, and in words what they rest on."""

    seconds: float
    basis: str
    is_bound: bool = False
    """Nothing tells what to expect: these are the seconds after which it is stopped."""


@dataclass(frozen=True)
class Durations:
    """What is expected of one trial and of the final training."""

    trial: Estimate
    retrain: Estimate


def told(seconds: float) -> Estimate:
    """What a person says that it takes."""
    return Estimate(seconds, "given")


def from_trial(trial: Estimate) -> Estimate:
    """The final training, where only the time of a trial is known."""
    return Estimate(FINAL_FACTOR * trial.seconds, f"taken as {FINAL_FACTOR:g} times a trial: no earlier study tells")


def from_earlier_studies(ledger: "Ledger", recipe: str, target: str) -> Durations | None:
    """What the newest study of the recipe took that has ended trials, on the same kind of target where there is one."""
    studies = [one.study for one in ledger.studies() if one.study.identity.recipe == recipe]
    for study in sorted(studies, key=lambda study: study.target.get("target") != target):  # stable: newest first
        times = [_held(trial) for trial in ledger.trials(study.name) if trial.state.is_finished()]
        known = [seconds for seconds in times if seconds]
        if known:
            where = study.target.get("target")
            basis = f"mean of {len(known)} trials of {study.name}" + ("" if where == target else f", on {where}")
            trial = Estimate(sum(known) / len(known), basis)
            return Durations(trial, _final(study) or from_trial(trial))
    return None


def _held(trial: TrialRecord) -> float | None:
    return trial.attempts[-1].seconds or trial.seconds if trial.attempts else None


def _final(study: StudyRecord) -> Estimate | None:
    known = [one["seconds"] for one in final_tries(study) if one["seconds"]]
    return Estimate(known[-1], f"the final training of {study.name}") if known else None
