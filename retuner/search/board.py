"""The notice board between the coordinator's thread and those that wait for one trial each."""

import threading

from retuner.errors import FatalError
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState


class NoticeBoard:
    """Trials that have ended, by number. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ended: dict[int, TrialRecord] = {}
        self._closed = False
        self._stopped = False
        self._error: str | None = None

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

    def wait(self, slot: int) -> TrialRecord | None:
        """Block until the trial of that number has ended. None where the search ended without needing the slot.

        A slot that a stopped search never came to is a cancelled trial without hyperparameters. Raises FatalError
        where the search broke off.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or slot in self._ended)
            if slot in self._ended:
                return self._ended[slot]
            if self._error is not None:
                raise FatalError(f"The search broke off before this trial ended: {self._error}")
        if self._stopped:
            return TrialRecord(slot, TrialState.CANCELLED, message="stopped before it began")
        return None
