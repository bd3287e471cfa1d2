"""What the log says and where: no secret, whoever wrote the line; one line an event; the same as JSON for programs."""

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from retuner.errors import RetunerError
from retuner_training.redaction import redact

KEPT_DAYS = 30
_FIELDS = ("study", "trial", "attempt", "state")
"""What a record may carry (`extra=`) beside its words."""
_subject: dict[str, str] = {}
"""The study that this process works on: one flow run a process."""


class Redaction(logging.Filter):
    """Redacts each record's message and traceback before a handler writes it, be it a terminal's or Prefect's."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = redact(message)
        if hidden != message:
            record.msg, record.args = hidden, None
        if record.exc_info and (record.exc_info[1] is None or isinstance(record.exc_info[1], RetunerError)):
            record.exc_info = record.exc_text = None  # a sentence of ours says what its frames would not
        if record.exc_info:
            record.exc_text = redact(record.exc_text or logging.Formatter().formatException(record.exc_info))
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how serious, what, and about which study and trial where the record says so."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
            "logger": record.name,
            "process": record.process,
            **_subject,
        }
        entry |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_text:
            entry["traceback"] = record.exc_text
        return json.dumps(entry)


def name_study(study: str) -> None:
    """From now on, say in each line of the JSON log that it is about this study."""
    _subject["study"] = study


def prepare_logs(folder: Path) -> None:
    """Our own lines from INFO on, also as JSON in a file a day in `folder`; every handler with the redaction.

    Files older than a month are removed.
    """
    _subject.clear()
    ours = logging.getLogger("retuner")
    ours.setLevel(logging.INFO)
    _write_json(ours, folder)
    prepare_handlers()


def prepare_handlers() -> None:
    """Give every handler that exists now the redaction: filters of loggers do not see the records of their children.

    A handler whose reader has gone, as a killed worker does, is silent from then on: Rich would end the process.
    """
    loggers = [logging.getLogger()] + [
        logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)
    ]
    for logger in loggers:
        for handler in logger.handlers:
            if not any(isinstance(one, Redaction) for one in handler.filters):
                handler.addFilter(Redaction())
            if (console := getattr(handler, "console", None)) is not None:
                console.on_broken_pipe = partial(setattr, console, "quiet", True)


def _write_json(logger: logging.Logger, folder: Path) -> None:
    """Several processes append to one file: each line is one short write."""
    today = datetime.now(UTC).date()
    for file in folder.glob("*.jsonl"):
        if file.stem < (today - timedelta(days=KEPT_DAYS)).isoformat():
            file.unlink(missing_ok=True)
    for handler in [one for one in logger.handlers if isinstance(one.formatter, JsonLines)]:
        logger.removeHandler(handler)  # of an earlier flow run of this process
        handler.close()
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / f"{today.isoformat()}.jsonl", delay=True)
    handler.setFormatter(JsonLines())
    logger.addHandler(handler)
