"""The ledger: studies and trials as they are now, in SQLite or PostgreSQL.

A state is written before the act that it announces, one upsert a change, so that whoever comes after a crash knows
what may have happened. Readers need no lease and see each change as soon as it is written.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, Select, Table, TextClause, bindparam, func, select, text, update

from retuner.errors import UserError
from retuner.search.records import (
    Attempt,
    StudyIdentity,
    StudyRecord,
    StudySummary,
    TrialRecord,
    now,
)
from retuner.search.states import StudyState, TrialState
from retuner.search.tables import STUDIES, TRIALS, create_engine, create_tables, translated_errors


class Ledger:
    """Safe to use from several threads and processes. Raises RetryableError or UserError, never SQLAlchemy's."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        try:
            create_tables(self._engine)
        except BaseException:
            self._engine.dispose()
            raise
        self._upserts = {table.name: _upsert(self._engine, table) for table in (STUDIES, TRIALS)}

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # reading

    def studies(self, model_name: str | None = None) -> list[StudySummary]:
        """All studies (of one model), newest first, with the number of trials in each state and the best value."""
        trials = select(
            TRIALS.c.study, TRIALS.c.state, func.count(), func.min(TRIALS.c.value), func.max(TRIALS.c.value)
        ).group_by(TRIALS.c.study, TRIALS.c.state)
        states: dict[str, dict[TrialState, int]] = {}
        extremes: dict[str, tuple[float | None, float | None]] = {}
        for study, state, count, lowest, highest in self._rows(trials):
            states.setdefault(study, {})[TrialState(state)] = count
            if state == TrialState.COMPLETED:
                extremes[study] = (lowest, highest)
        records = [_study(row) for row in self._rows(_newest_first(model_name))]
        return [
            StudySummary(
                study=record,
                states=states.get(record.name, {}),
                best=extremes.get(record.name, (None, None))[record.identity.direction == "maximize"],
            )
            for record in records
        ]

    def study(self, name: str) -> StudyRecord:
        """One study. Raises UserError with the names of the newest ones where there is none."""
        rows = self._rows(select(STUDIES).where(STUDIES.c.name == name))
        if rows:
            return _study(rows[0])
        known = [row.name for row in self._rows(_newest_first(None).limit(5))]
        hint = f"the newest are {', '.join(known)}" if known else "the ledger is empty: start one with retune run"
        raise UserError(f"There is no study '{name}': {hint}.")

    def latest(self, model_name: str | None = None) -> StudyRecord | None:
        """The study (of one model) that was written to last; None where there is none."""
        rows = self._rows(_newest_first(model_name).order_by(None).order_by(STUDIES.c.updated.desc()).limit(1))
        return _study(rows[0]) if rows else None

    def trials(self, study: str) -> list[TrialRecord]:
        """All trials of a study by number."""
        return [_trial(row) for row in self._rows(select(TRIALS).where(TRIALS.c.study == study).order_by("number"))]

    def study_to_continue(self, identity: StudyIdentity, model_name: str) -> StudyRecord | None:
        """The unfinished study of this identity, if any: what `open_study` would go on with."""
        return _unfinished([_study(row) for row in self._rows(_newest_first(model_name))], identity)

    # writing

    def open_study(
        self,
        identity: StudyIdentity,
        model_name: str,
        *,
        trials: int,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> StudyRecord:
        """The study to work on: the unfinished one of this identity, else a new one.

        `resume` names a study that must be continued. The caller holds the model's lease.
        """
        newest = [_study(row) for row in self._rows(_newest_first(model_name))]
        if resume is not None:
            found = self._to_resume(resume, identity=identity, model_name=model_name)
        else:
            found = _unfinished(newest, identity) or _next_study(newest, identity, model_name)
        study = replace(found, trials=trials, parameters=dict(parameters or {}), updated=now())
        self._write(STUDIES, [_study_row(study)])
        return study

    def unfinished_study(self, name: str) -> StudyRecord:
        """The study. Raises UserError where there is none of that name, or it has ended."""
        study = self.study(name)
        if study.state is not StudyState.OPEN:
            raise UserError(f"The study {study.name} is {study.state} and cannot be resumed: start without --resume.")
        return study

    def _to_resume(self, name: str, *, identity: StudyIdentity, model_name: str) -> StudyRecord:
        study = self.unfinished_study(name)
        if study.model_name != model_name:
            raise UserError(f"The study {study.name} belongs to the model {study.model_name}, not to {model_name}.")
        different = study.identity.differences(identity)
        if different:
            raise UserError(
                f"The study {study.name} cannot be resumed, because these differ: {'; '.join(different)}. "
                "Set them back, or start without --resume."
            )
        return study

    def update_study(
        self,
        name: str,
        *,
        state: StudyState | None = None,
        message: str | None = None,
        target: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the given fields; those left out stay as they are."""
        fields = {"state": state, "message": message, "target": None if target is None else dict(target)}
        self._update(name, {field: value for field, value in fields.items() if value is not None})

    def write_stage(self, name: str, stage: str, output: Mapping[str, Any]) -> None:
        """Note that a stage of the study is done, and what it left behind."""
        self._update(name, {"stages": {**self.study(name).stages, stage: dict(output)}})

    def write_trials(self, study: str, trials: Iterable[TrialRecord]) -> None:
        """Write trials as they are now, all in one transaction."""
        rows = [_trial_row(study, trial) for trial in trials]
        if rows:
            self._write(TRIALS, rows, touch=study)

    # plumbing

    def _rows(self, statement: Select[Any]) -> list[Row[Any]]:
        with translated_errors(self._engine), self._engine.connect() as connection:
            return list(connection.execute(statement))

    def _update(self, name: str, fields: dict[str, Any]) -> None:
        statement = update(STUDIES).where(STUDIES.c.name == name).values(updated=now().isoformat(), **fields)
        with translated_errors(self._engine), self._engine.begin() as connection:
            connection.execute(statement)

    def _write(self, table: Table, rows: list[dict[str, Any]], *, touch: str | None = None) -> None:
        with translated_errors(self._engine), self._engine.begin() as connection:
            connection.execute(self._upserts[table.name], rows)
            if touch is not None:
                connection.execute(_TOUCH, {"study": touch, "now": now().isoformat()})


_TOUCH = update(STUDIES).where(STUDIES.c.name == bindparam("study")).values(updated=bindparam("now"))


def _upsert(engine: Engine, table: Table) -> TextClause:
    """As text: what the dialects' `insert().on_conflict_do_update()` makes is compiled anew at each write."""
    quote = engine.dialect.identifier_preparer.quote
    names = {column.name: quote(column.name) for column in table.columns}
    keys = [names[column.name] for column in table.primary_key]
    changed = ", ".join(f"{name} = excluded.{name}" for name in names.values() if name not in keys)
    statement = text(
        f"INSERT INTO {quote(table.name)} ({', '.join(names.values())}) VALUES (:{', :'.join(names)}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changed}"
    )
    return statement.bindparams(*(bindparam(column.name, type_=column.type) for column in table.columns))


def _newest_first(model_name: str | None) -> Select[Any]:
    statement = select(STUDIES).order_by(STUDIES.c.created.desc(), STUDIES.c.number.desc())
    return statement if model_name is None else statement.where(STUDIES.c.model_name == model_name)


def _unfinished(newest: list[StudyRecord], identity: StudyIdentity) -> StudyRecord | None:
    return next((one for one in newest if one.state is StudyState.OPEN and one.identity == identity), None)


def _next_study(newest: list[StudyRecord], identity: StudyIdentity, model_name: str) -> StudyRecord:
    prefix = f"{model_name}-{identity.fingerprint[:8]}"
    number = 1 + max((s.number for s in newest if s.name == f"{prefix}-{s.number}"), default=0)
    return StudyRecord(name=f"{prefix}-{number}", model_name=model_name, number=number, identity=identity, trials=0)


def _study_row(study: StudyRecord) -> dict[str, Any]:
    times = {"created": study.created.isoformat(), "updated": study.updated.isoformat()}
    return {**vars(study), "identity": asdict(study.identity), "fingerprint": study.identity.fingerprint, **times}


def _study(row: Row[Any]) -> StudyRecord:
    fields = {name: value for name, value in row._mapping.items() if name != "fingerprint"}
    return StudyRecord(
        **{
            **fields,
            "identity": StudyIdentity(**fields["identity"]),
            "state": StudyState(fields["state"]),
            "created": datetime.fromisoformat(fields["created"]),
            "updated": datetime.fromisoformat(fields["updated"]),
        }
    )


def _trial_row(study: str, trial: TrialRecord) -> dict[str, Any]:
    return {**vars(trial), "study": study, "attempts": [_attempt_row(attempt) for attempt in trial.attempts]}


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    times = {name: getattr(attempt, name) for name in _ATTEMPT_TIMES}
    return {**vars(attempt), **{name: time and time.isoformat() for name, time in times.items()}}


def _trial(row: Row[Any]) -> TrialRecord:
    fields = {name: value for name, value in row._mapping.items() if name != "study"}
    return TrialRecord(
        **{
            **fields,
            "state": TrialState(fields["state"]),
            "reports": tuple((step, math.nan if value is None else value) for step, value in fields["reports"]),
            "attempts": tuple(_attempt(attempt) for attempt in fields["attempts"]),
        }
    )


def _attempt(fields: Mapping[str, Any]) -> Attempt:
    times = {name: datetime.fromisoformat(fields[name]) for name in _ATTEMPT_TIMES if fields.get(name)}
    return Attempt(**{**fields, "state": TrialState(fields["state"]), **times})


_ATTEMPT_TIMES = ("started", "began", "ended")
