"""Follow a study from another process or machine: what the ledger says of it, again and again until it ends."""

import time
from collections.abc import Iterator

from retuner.errors import RetryableError, UserError
from retuner.search.lease import is_held
from retuner.search.ledger import Ledger
from retuner.search.records import StudyRecord, now
from retuner.search.states import StudyState
from retuner.search.view import StudyView, view_study
from retuner.settings import Settings

PATIENCE_SECONDS = 60.0
"""How long a ledger that does not answer is waited for."""


def follow(study: str | None, settings: Settings, *, seconds: float = 1.0) -> Iterator[StudyView]:
    """The study as it is now, then every `seconds`; the last one is that of its end.

    Raises UserError where there is no such study.
    """
    with Ledger(settings.ledger_url) as ledger:
        name = find_study(ledger, study).name
        reader, answered = _Reader(ledger, name, settings), time.monotonic()
        while True:
            try:
                view = reader.read()
            except RetryableError:
                if time.monotonic() - answered > PATIENCE_SECONDS:
                    raise
            else:
                answered = time.monotonic()
                yield view
                if view.phase.is_ended():
                    return
            time.sleep(seconds)


def find_study(ledger: Ledger, name: str | None) -> StudyRecord:
    """The study of that name, or the one that was written to last. Raises UserError where there is none."""
    found = ledger.latest() if name is None else ledger.study(name)
    if found is None:
        raise UserError("There is no study yet: start one with: retune run")
    return found


def look(ledger: Ledger, name: str, settings: Settings) -> StudyView:
    """The study as it is now."""
    return _Reader(ledger, name, settings).read()


class _Reader:
    """Reads the trials anew only where the study was written to."""

    def __init__(self, ledger: Ledger, name: str, settings: Settings) -> None:
        self._ledger = ledger
        self._name = name
        self._settings = settings
        self._study: StudyRecord | None = None

    def read(self) -> StudyView:
        study = self._ledger.study(self._name)
        alive = is_alive(study, self._ledger, self._settings)
        if study.state is StudyState.OPEN and not alive:
            study = self._ledger.study(self._name)  # its process may have ended it, and itself, in the meantime
        if self._study is None or study.updated != self._study.updated:
            self._study, self._trials = study, self._ledger.trials(self._name)
        return view_study(study, self._trials, now=now(), alive=alive)


def is_alive(study: StudyRecord, ledger: Ledger, settings: Settings) -> bool:
    """Whether a process works on it: one holds the model's lease, and this study was written to last."""
    if study.state is not StudyState.OPEN or not is_held(study.model_name, settings):
        return False
    latest = ledger.latest(study.model_name)
    return latest is not None and latest.name == study.name
