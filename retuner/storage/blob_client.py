"""How Azure's client of Blob storage is set up: time limits, few retries, no signature in a log."""

import logging
from typing import Any

from retuner.logs import Redaction

MEGABYTE = 1024**2
BLOCK = 4 * MEGABYTE
SINGLE = 8 * MEGABYTE
"""Files up to this size are sent in one request, larger ones in blocks."""
ANSWER_SECONDS = 60
"""So long an answer is waited for."""
BACKOFF: dict[str, Any] = {"initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}
"""Of the waits between two tries: 3 and 5 seconds, up to one more or less."""


def client_options() -> dict[str, Any]:
    """Options of every client. A request is tried again twice within seconds; more is for whoever called."""
    from azure.storage.blob import ExponentialRetry

    return {
        "retry_policy": ExponentialRetry(retry_total=2, **BACKOFF),
        "connection_timeout": 20,
        "read_timeout": ANSWER_SECONDS,
        "max_block_size": BLOCK,
        "max_single_put_size": SINGLE,
    }


def black_out_logs() -> None:
    """Keep signatures out of urllib3's log, which tells whole addresses: at debug level, and when it warns."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logger = logging.getLogger(name)
        if not any(isinstance(present, Redaction) for present in logger.filters):
            logger.addFilter(Redaction())
