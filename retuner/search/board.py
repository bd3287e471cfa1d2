"""The notice board between the coordinator's thread and those that wait for one trial each."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

from retuner.errors import FatalError
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState


class NoticeBoard:
    """Jobs that were sent and trials that have ended, by the trial's number. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sent: defaultdict[int, list[str]] = defaultdict(list)
        self._ended: dict[int, TrialRecord] = {}
        self._closed = False
        self._stopped = False
        self._error: str | None = None

    def post_job(self, number: int, job: str) -> None:
        """Put up the name of a trial's job that the compute target has."""
        with self._changed:
            self._sent[number].append(job)
            self._changed.notify_all()

    def post(self, trial: TrialRecord) -> None:
        """Put up a trial that has ended for good, or that was cancelled."""
        with self._changed:
            self._ended[trial.number] = trial
            self._changed.notify_all()

    def close(self, *, stopped: bool = False, error: BaseException | None = None) -> None:
        """Say that nothing more will be put up, and release all who wait."""
        with self._changed:
            self._closed, self._stopped = True, stopped
            self._error = None if error is None else f"{type(error).__name__}: {error}"
            self._changed.notify_all()

    def wait(self, slot: int, on_job: Callable[[str], None]) -> TrialRecord | None:
        """Block until the trial of that number has ended. None where the search ended without needing the slot.

        `on_job` is told each of its jobs meanwhile. A slot that a stopped search never came to is a cancelled trial
        without hyperparameters. Raises FatalError where the search broke off.
        """
        for job in self._jobs_until_the_end(slot):
            on_job(job)
        with self._changed:
            if slot in self._ended:
                return self._ended[slot]
            if self._error is not None:
                raise FatalError(f"The search broke off before this trial ended: {self._error}")
        if self._stopped:
            return TrialRecord(slot, TrialState.CANCELLED, message="stopped before it began")
        return None

    def _jobs_until_the_end(self, slot: int) -> Iterator[str]:
        told = 0
        while jobs := self._jobs_after(slot, told):
            yield from jobs
            told += len(jobs)

    def _jobs_after(self, slot: int, told: int) -> list[str]:
        """The slot's jobs after the first `told`, as soon as there is one; empty where its trial has ended before."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or slot in self._ended or len(self._sent[slot]) > told)
            return self._sent[slot][told:]
