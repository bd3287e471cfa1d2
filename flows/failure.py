"""How a flow run says that it failed: what the Prefect UI shows, and what people are sent, is its state's message."""

from contextlib import suppress
from typing import Any

from prefect.states import Failed

from retuner.errors import Interrupted, RetunerError
from retuner.search.failures import failure_classes, in_words
from retuner.search.states import StudyState
from retuner.stages.study import Study
from retuner.workbench import Workbench
from retuner_training.redaction import redact


def explain(error: RetunerError, bench: Workbench, study: Study) -> None:
    """Note with the error which trials went wrong, their last log lines, and how to go on."""
    if isinstance(error, Interrupted):
        return
    with suppress(RetunerError):  # the ledger itself may be what failed
        if words := in_words(failure_classes(bench.ledger.trials(study.name))):
            error.add_note(words)
        if bench.ledger.study(study.name).state is StudyState.OPEN:
            error.add_note(f"Then continue with: retune run --resume {study.name}")


def failed_state(error: RetunerError) -> Any:
    """Failed, with the error's class, its sentence and its notes, without secrets: it is sent to people."""
    notes = getattr(error, "__notes__", [])
    return Failed(message=redact("\n".join([f"{type(error).__name__}: {error}", *notes])), data=error)
