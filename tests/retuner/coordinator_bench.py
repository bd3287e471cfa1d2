"""One ledger and the coordinators that work on it, for the tests of the coordinator."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fake_target import FakeTarget
from identities import identity

from retuner.search.budget import SearchBudget
from retuner.search.coordinator import Coordinator
from retuner.search.ledger import Ledger
from retuner.search.patience import Pace
from retuner.search.progress import Progress
from retuner.search.records import StudyRecord, TrialRecord
from retuner.search.space import validate_space
from retuner_training.job import Job

PACE = Pace(shortest=0.001, longest=0.002, longest_after_error=0.002, patience=0.2, stop=0.2, close=0.2)
SPACE = validate_space({"x": {"type": "float", "low": 0, "high": 1}})
IDENTITY = identity(space=SPACE)


class Bench:
    """One ledger, and the coordinators that work on it one after the other."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.study: StudyRecord

    def coordinator(self, target: FakeTarget, *, trials: int = 6, **options: Any) -> Coordinator:
        """A coordinator of the open study; options of the identity, the budget and the coordinator by name."""
        identity = {name: options.pop(name) for name in list(options) if hasattr(IDENTITY, name)}
        seconds = options.pop("seconds", None)
        limits = {name: options.pop(name) for name in list(options) if hasattr(SearchBudget(1), name)}
        self.study = self.ledger.open_study(replace(IDENTITY, **identity), "FAQ", trials=trials)
        budget = SearchBudget(trials, **limits)

        def make_job(name: str, parameters: dict[str, Any]) -> Job:
            return Job(name, self.study.name, "r", parameters, "d", "o", seconds=seconds)

        return Coordinator(
            self.ledger, self.study, target=target, budget=budget, make_job=make_job, **{"pace": PACE, **options}
        )

    def run(self, target: FakeTarget, **options: Any) -> Progress:
        return self.coordinator(target, **options).run()

    def run_until(self, target: FakeTarget, reached: Callable[[], bool], **options: Any) -> None:
        """Run as a process that is killed once `reached()`: from then on it does nothing, not even cleaning up."""
        frozen = threading.Event()

        def freeze() -> None:
            if reached():
                frozen.set()
                threading.Event().wait()

        target.on_poll = freeze
        threading.Thread(target=self.coordinator(target, **options).run, daemon=True).start()
        assert frozen.wait(20)
        target.on_poll = None

    def trials(self) -> list[TrialRecord]:
        return self.ledger.trials(self.study.name)

    def states(self) -> list[str]:
        return [trial.state.value for trial in self.trials()]


def falling_out(numbers: set[int]) -> Callable[[dict[str, Any]], list[float]]:
    """Trainings of which those raise that are submitted at these places."""
    calls = iter(range(10_000))

    def curve(parameters: dict[str, Any]) -> list[float]:
        if next(calls) in numbers:
            raise ValueError("bad leaf")
        return [parameters["x"]] * 3

    return curve
