"""How long a trial and the final training will take: told, as earlier studies took, or as one probe trial takes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retuner.cost.spending import final_tries
from retuner.parameters import Parameters
from retuner.search.records import StudyRecord, TrialRecord
from retuner.search.states import TrialState

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


def from_earlier_studies(
    ledger: "Ledger", parameters: Parameters, *, dataset: str | None = None, other_data: bool = False
) -> Durations | None:
    """What the newest study of the recipe took that has ended trials, on the same kind of target where there is one.

    Only studies of the same data tell: of equal parameters of it or, where it is known, of the `dataset` of that name.
    With `other_data` all of them do, and the basis says what their data was.
    """
    data, target = parameters.data.model_dump(mode="json"), parameters.compute.target

    def is_same_data(study: StudyRecord) -> bool:
        return study.parameters.get("data") == data or study.identity.dataset == dataset

    studies = [one.study for one in ledger.studies() if one.study.identity.recipe == parameters.recipe]
    usable = [study for study in studies if other_data or is_same_data(study)]
    for study in sorted(usable, key=lambda study: study.target.get("target") != target):  # stable: newest first
        known = _times(ledger.trials(study.name), parameters)
        if known:
            where = study.target.get("target")
            differences = "" if where == target else f", on {where}"
            differences += "" if is_same_data(study) else f", on other data ({_source(study)})"
            stopped = sum(state is TrialState.PRUNED for state, _ in known)
            early = f", {stopped} of them stopped early" if stopped else ""
            basis = f"mean of {len(known)} trials of {study.name}{early}{differences}"
            trial = Estimate(sum(seconds for _, seconds in known) / len(known), basis)
            return Durations(trial, _final(study, differences) or from_trial(trial))
    return None


def as_planned(plan: Mapping[str, Any]) -> Durations:
    """What a plan in the ledger was made with."""
    return Durations(Estimate(**plan["trial_seconds"]), Estimate(**plan["retrain_seconds"]))


def _times(trials: Iterable[TrialRecord], parameters: Parameters) -> list[tuple[TrialState, float]]:
    """How long trials held a node, and how they ended; of whole ones alone where none will be stopped."""
    held = [(trial.state, _held(trial)) for trial in trials if trial.state.is_finished()]
    known = [(state, seconds) for state, seconds in held if seconds]
    whole = [one for one in known if one[0] is TrialState.COMPLETED]
    return whole if whole and parameters.search.stopping == "none" else known


def _held(trial: TrialRecord) -> float | None:
    return trial.attempts[-1].seconds or trial.seconds if trial.attempts else None


def _final(study: StudyRecord, differences: str) -> Estimate | None:
    known = [one["seconds"] for one in final_tries(study) if one["seconds"]]
    return Estimate(known[-1], f"the final training of {study.name}{differences}") if known else None


def _source(study: StudyRecord) -> str:
    source = study.parameters.get("data", {}).get("source")
    return study.identity.dataset if source is None else f"{study.identity.dataset} of {source}"
