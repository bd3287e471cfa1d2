"""No secret in a log line, whoever wrote it."""

import io
import json
import logging
import os
from contextlib import suppress

import pytest
from prefect.logging.handlers import PrefectConsoleHandler

from retuner.errors import UserError
from retuner.logs import KEPT_DAYS, name_study, prepare_logs
from retuner_training.redaction import HIDDEN, redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("PUT https://a.blob.core.windows.net/c/x?sv=2024&sig=AbC%2B1d%3D&se=2026 403", "AbC%2B1d%3D"),
        ("PUT /c/b?sv=2024&SIG=def, then more", "def"),
        ("<a href='https://a/c?sig=abc%3D'>x</a>", "abc%3D"),
        ("BlobEndpoint=https://a;SharedAccessSignature=sv=2024&sig=QQ%3D", "QQ%3D"),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9v/YmFy==;x", "Zm9v/YmFy=="),
        ("postgresql+psycopg://retuner:pa55word@db/ledger refuses us", "pa55word"),
        ("Authorization: Bearer eyJ0eXAi.OiJKV1Qi", "eyJ0eXAi.OiJKV1Qi"),
        ("{'client_secret': 'q1w2e3'}", "q1w2e3"),
        ("AZURE_CLIENT_SECRET=q1w2e3 was set", "q1w2e3"),
        ("POST https://hooks.slack.com/services/T0/B0/xyz", "T0/B0/xyz"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_the_rest_stays(text, secret):
    hidden = redact(text)
    assert secret not in hidden
    assert HIDDEN in hidden
    assert hidden[:4] == text[:4]


@pytest.mark.parametrize(
    "text",
    ["FAQ_ranker-70131730-1: 12 of 24 trials ended, best 0.8413 (trial 7)", "tcp://10.0.0.4:8786", "a@b: signal=9"],
)
def test_ordinary_lines_stay_as_they_are(text):
    assert redact(text) == text


def test_every_handler_hides_secrets_of_foreign_loggers_and_tracebacks(tmp_path):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        prepare_logs(tmp_path)
        prepare_logs(tmp_path)
        logging.getLogger("somebody.else").warning("GET %s", "https://a/b?sig=topsecret&x=1")
        try:
            raise ValueError("postgresql://user:topsecret@host/db")
        except ValueError:
            logging.getLogger("retuner.tasks").exception("it failed with %d", 5)
    finally:
        root.removeHandler(handler)
    assert "topsecret" not in written.getvalue()
    assert "it failed with 5" in written.getvalue()
    assert f"sig={HIDDEN}&x=1" in written.getvalue()
    assert sum(type(one).__name__ == "Redaction" for one in handler.filters) == 1


def test_each_event_is_one_json_line_with_study_and_trial_and_no_secret(tmp_path):
    old = tmp_path / "2020-01-31.jsonl"
    old.write_text("{}\n")
    prepare_logs(tmp_path)
    logger = logging.getLogger("retuner.tasks")
    logger.info("before any study")
    name_study("FAQ-1")
    logger.warning("two\nlines sig=topsecret", extra={"trial": 3, "attempt": 1, "state": "failed"})
    prepare_logs(tmp_path)  # the next flow run of this process
    logger.info("of the next flow run")
    [file] = tmp_path.glob("*.jsonl")
    first, second, third = map(json.loads, file.read_text().splitlines())
    assert (first["event"], first["level"], "study" in first) == ("before any study", "INFO", False)
    assert second["event"] == f"two\nlines sig={HIDDEN}"
    assert {name: second[name] for name in ("study", "trial", "attempt", "state")} == {
        "study": "FAQ-1",
        "trial": 3,
        "attempt": 1,
        "state": "failed",
    }
    assert "study" not in third
    assert KEPT_DAYS == 30
    assert not old.exists()


def test_our_own_errors_are_sentences_and_others_keep_their_frames(tmp_path):
    prepare_logs(tmp_path)
    logger = logging.getLogger("retuner.tasks")
    for error in (UserError("set it back"), KeyError("x")):
        try:
            raise error
        except Exception:
            logger.exception("it failed")
    logger.error("nothing was raised", exc_info=True)
    [file] = tmp_path.glob("*.jsonl")
    ours, others, nothing = map(json.loads, file.read_text().splitlines())
    assert "traceback" not in ours
    assert "KeyError: 'x'" in others["traceback"]
    assert "traceback" not in nothing


def test_a_log_that_nobody_reads_any_more_does_not_end_the_process(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stream:
        handler = PrefectConsoleHandler(stream=stream)
        ours = logging.getLogger("retuner")
        ours.addHandler(handler)
        try:
            prepare_logs(tmp_path)
            ours.info("to a worker that was killed")
            ours.info("and on")
        finally:
            ours.removeHandler(handler)
        with suppress(BrokenPipeError):
            stream.close()
    [file] = tmp_path.iterdir()
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()][-1] == "and on"
