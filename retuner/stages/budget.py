"""What the budget leaves to the stages of one study, and what the study has cost. All of it follows from the ledger."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retuner.compute.azure_ml_requests import attempt_of
from retuner.cost.limits import limits, told_rates
from retuner.cost.purse import Purse
from retuner.cost.spending import Rates, final_tries, kept_nodes, study_bill, study_rates
from retuner.errors import UserError
from retuner.search.entries import CLOCK, COST, PLAN, SEARCH, TRIES
from retuner.search.records import StudyRecord, TrialRecord, count_states, counters, node_seconds, now
from retuner.stages.study import Study
from retuner.workbench import Workbench

TIMES = ("started", "began", "ended")
"""Of an attempt at the final training, where it came so far."""


def worked_before(study: StudyRecord, trials: Iterable[TrialRecord]) -> float:
    """Seconds for which earlier processes worked on the study: each until the last event that it has written down."""
    noted = study.stages.get(CLOCK)
    if noted is None:
        return 0.0
    since = datetime.fromisoformat(noted["since"])
    attempts = [attempt for trial in trials for attempt in trial.attempts]
    events = [time for one in attempts for time in (one.started, one.began, one.ended) if time is not None]
    tries = final_tries(study)
    events += [datetime.fromisoformat(one[name]) for one in tries for name in TIMES if one.get(name)]
    last = max([since, *events])
    return float(noted["seconds"]) + (last - since).total_seconds()


def search_minutes(bench: Workbench, study: Study) -> float | None:
    """Minutes that `max_minutes` leaves to the search from now on; None where it is not set."""
    whole = limits(bench.parameters.budget).search
    return None if whole is None else max(0.0, whole - _worked(bench, study)) / 60


def out_of_time(bench: Workbench, study: Study) -> UserError:
    """The error where the final training has not ended in the time that it was given. The study can be continued."""
    budget = bench.parameters.budget
    if seconds_left(bench, study) <= 0:
        fact = f"budget.max_minutes = {budget.max_minutes:g} is used up"
    elif limits(budget).is_final_halved:
        fact = f"half of budget.max_minutes = {budget.max_minutes:g}, which is kept for the final training, is over"
    else:
        fact = f"budget.seconds_final = {budget.seconds_final:g} is over"
    return UserError(
        f"The final training of {study.name} has not ended, and {fact}: raise it, and continue with: "
        f"retune run --resume {study.name}"
    )


def final_seconds(bench: Workbench, study: Study) -> float:
    """Seconds that the final training may take from now on. Raises UserError where `max_minutes` leaves none."""
    left = seconds_left(bench, study)
    if left <= 0:
        raise out_of_time(bench, study)
    return min(limits(bench.parameters.budget).final, left)


def seconds_left(bench: Workbench, study: Study) -> float:
    """Seconds of `max_minutes` that are left to the final training, its wait for a node included."""
    whole = bench.parameters.budget.max_minutes
    return math.inf if whole is None else 60 * whole - _worked(bench, study)


def open_purse(bench: Workbench, study: Study) -> Purse:
    """What the study may spend, with all that it has spent."""
    record = bench.ledger.study(study.name)
    return _purse(bench, record, final_tries(record))


class FinalTries:
    """The attempts at the final training in the ledger, with what each cost."""

    def __init__(self, bench: Workbench, study: Study) -> None:
        self._bench = bench
        self._study = study
        record = bench.ledger.study(study.name)
        self._rates = _rates(bench, record)
        self._tries = final_tries(record)

    def begin(self, job: str) -> None:
        """Note that `job` is about to be submitted; one that a killed process submitted goes on.

        Raises UserError where `max_cost` does not bear another attempt.
        """
        if self._tries and self._tries[-1]["seconds"] is None and self._tries[-1]["job"] == job:
            return
        self.end()
        self._check_cost(attempt_of(job))
        times = {"started": now().isoformat(), "began": None, "ended": None}
        self._tries.append({"job": job, **times, "seconds": None, "usd": None})
        self._write()

    def is_at_work(self, began: datetime | None) -> None:
        """Note that the last attempt has had a node, since now or `began`; its wait for one before costs nothing."""
        if self._tries and self._tries[-1].get("began") is None:
            self._tries[-1]["began"] = (began or now()).isoformat()
            self._write()

    def end_before(self, job: str) -> None:
        """Note the end of the last attempt, unless that is `job`, which may be alive."""
        if self._tries and self._tries[-1]["job"] != job:
            self.end()

    def end(self, trained: float | None = None) -> None:
        """Note the end of the last attempt; `trained` are the seconds of its training, where they are known."""
        if not self._tries or self._tries[-1]["seconds"] is not None:
            return
        last, ended = self._tries[-1], now()
        began = datetime.fromisoformat(last["began"]) if last.get("began") else None
        started = datetime.fromisoformat(last["started"])
        held = node_seconds(started=started, began=began, ended=ended, trained=trained)
        terms = self._rates.terms_at(started.timestamp())
        seconds = min(held, terms.final_seconds)
        usd = self._rates.usd(seconds, is_moved=terms.is_moved(attempt_of(last["job"])))
        last |= {"ended": ended.isoformat(), "seconds": seconds, "usd": usd}
        self._write()

    def _check_cost(self, attempt: int) -> None:
        max_cost = self._bench.parameters.budget.max_cost
        record = self._bench.ledger.study(self._study.name)
        usd = _purse(self._bench, record, self._tries).committed(final_attempt=attempt).usd
        if max_cost is not None and usd is not None and usd > max_cost:
            raise UserError(
                f"budget.max_cost = {max_cost:g} USD does not bear the final training of {self._study.name}: with it, "
                f"the study could cost {usd:.2f}. Raise it, and continue with: retune run --resume {self._study.name}"
            )

    def _write(self) -> None:
        self._bench.ledger.write_stage(self._study.name, TRIES, {"tries": self._tries})


@dataclass(frozen=True)
class Costs:
    """What a study has cost, beside its plan."""

    trials: dict[str, int]
    """How many it asked for, and how many of them are completed, pruned and failed."""

    document: dict[str, Any]
    """JSON object: `actual` and `plan` with the same parts, each with `node_hours` and `usd`.

    `plan_is_bound`: nothing told what to expect, so the plan is what is used at most.
    """
    ended_early: str | None
    """Why the search ended before all its trials were tried; None where it did not."""


def settle(bench: Workbench, study: Study) -> Costs:
    """The costs of the study up to now; they are in the ledger from then on."""
    record, trials = bench.ledger.study(study.name), bench.ledger.trials(study.name)
    plan, spent = record.stages.get(PLAN, {}), study_bill(record, trials, at=now())
    actual, known = spent.document() if spent else {}, _rates(bench, record)
    document = {
        "usd_per_hour": known.usd_per_hour,
        "price": known.origin,
        "actual": actual,
        "plan": {part: plan.get(part) for part in actual},
        "plan_is_bound": plan.get("is_bound", False),
        "max_cost": bench.parameters.budget.max_cost,
    }
    bench.ledger.write_stage(study.name, COST, document)
    counts = counters(count_states(trials))
    kinds = {name: counts[name] for name in ("asked", "completed", "pruned", "failed")}
    return Costs(kinds, document, _ended_early(bench, record, trials))


def _ended_early(bench: Workbench, record: StudyRecord, trials: list[TrialRecord]) -> str | None:
    stage, budget = record.stages.get(SEARCH, {}), bench.parameters.budget
    causes = {"minutes": ("max_minutes", budget.max_minutes), "cost": ("max_cost", budget.max_cost)}
    cause = causes.get(stage.get("ended_by", ""))
    if cause is None:
        return None
    tried = sum(trial.state.is_finished() for trial in trials)
    name, limit = cause
    kept = f"{tried} of {stage['trials']} trials were tried and are kept."
    if name == "max_minutes":
        bound = limits(budget)
        kept += (
            f" It leaves the search {(bound.search or 0) / 60:.2g} minutes, as the final training may take "
            f"{bound.final / 60:.2g}: a lower budget.seconds_final leaves it more."
        )
    return f"The search ended early, at budget.{name} = {limit:g}: {kept}"


def _worked(bench: Workbench, study: Study) -> float:
    """Seconds of this process and of those before it."""
    earlier = bench.ledger.study(study.name).stages.get(CLOCK, {}).get("seconds", 0.0)
    return float(earlier) + (now() - bench.opened).total_seconds()


def _rates(bench: Workbench, record: StudyRecord) -> Rates:
    """As the plan noted them; without one, those that are known without asking."""
    return study_rates(record) or told_rates(bench.parameters)


def _purse(bench: Workbench, record: StudyRecord, tries: list[dict[str, Any]]) -> Purse:
    trials, max_cost = bench.ledger.trials(record.name), bench.parameters.budget.max_cost
    return Purse(_rates(bench, record), max_cost, trials, tries, kept_nodes(record))
