"""A study told to a ledger, without training anything: for tests of what is shown of one."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from identities import identity

from retuner.parameters import Parameters
from retuner.search.ledger import Ledger
from retuner.search.records import Attempt, StudyIdentity, StudyRecord, TrialRecord, now
from retuner.search.states import TrialState

SPACE = {
    "trees": {"type": "int", "low": 40, "high": 80, "log": False, "step": 5},
    "rate": {"type": "float", "low": 0.01, "high": 1.0, "log": True, "step": None},
    "kind": {"type": "categorical", "choices": ["a", "b", None]},
    "fixed": {"type": "categorical", "choices": [1]},
}
IDENTITY = identity(dataset="dataset-0123456789ab", space=SPACE)
START = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
COMPLETED, PRUNED, FAILED, RUNNING = TrialState.COMPLETED, TrialState.PRUNED, TrialState.FAILED, TrialState.RUNNING


def told_study(ledger: Ledger, *, trials: int = 8, identity: StudyIdentity = IDENTITY, **fields: object) -> StudyRecord:
    """An open study of so many trials, of which none was asked yet."""
    parameters = Parameters().model_dump(mode="json")
    return ledger.open_study(identity, "FAQ_ranker", trials=trials, parameters={**parameters, **fields})


def told_trial(
    number: int,
    state: TrialState = COMPLETED,
    value: float | None = 0.5,
    *,
    start: datetime = START,
    seconds: float = 10,
    node: str = "tcp://n1:1",
    message: str | None = None,
    steps: int = 4,
) -> TrialRecord:
    """A trial that began `number` times ten seconds after the start."""
    began = start + timedelta(seconds=10 * number)
    ended = None if state is RUNNING else began + timedelta(seconds=seconds)
    draw = random.Random(number)
    level = 0.5 if value is None else value
    return TrialRecord(
        number,
        state,
        {"trees": draw.randrange(40, 81, 5), "rate": 10 ** draw.uniform(-2, 0), "kind": draw.choice("ab"), "fixed": 1},
        value=None if state in (RUNNING, FAILED) else value,
        metrics={"gain@1": level, "gain@2": level + 0.1} if state is COMPLETED else {},
        standard_errors={"gain@1": 0.01, "gain@2": 0.01} if state is COMPLETED else {},
        reports=tuple((10 * step, level - 0.1 / step) for step in range(1, steps + 1)),
        attempts=(Attempt(f"s-t{number:04d}-a1", state, started=began, ended=ended, node=node, reason=message),),
        seconds=None if ended is None else seconds,
        message=message,
    )


def told_trials(count: int, **options: object) -> list[TrialRecord]:
    """Trials of all fates: most completed or pruned, each tenth failed."""
    draw = random.Random(count)
    trials = []
    for number in range(count):
        node = f"tcp://10.0.0.{number % 16}:4000"
        if number % 10 == 9:
            message = "timeout: stopped after 60 s" if number % 20 == 9 else "ValueError: <b>no</b> & 'never'"
            trials.append(told_trial(number, FAILED, None, node=node, message=message, **options))
        else:
            state = PRUNED if number % 3 else COMPLETED
            trials.append(told_trial(number, state, draw.uniform(0.4, 0.9), node=node, **options))
    return trials


def just_now(trials: list[TrialRecord]) -> list[TrialRecord]:
    """The same trials, begun in the last minute."""
    shift = now() - timedelta(seconds=60) - START
    return [
        replace(
            trial,
            attempts=tuple(
                replace(one, started=one.started and one.started + shift, ended=one.ended and one.ended + shift)
                for one in trial.attempts
            ),
        )
        for trial in trials
    ]
