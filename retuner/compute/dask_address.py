"""Whether anybody listens at the address of a Dask scheduler, and waiting for it in a way that a stop ends."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar
from urllib.parse import urlsplit

from retuner.compute.target import GOES_ON
from retuner.errors import Interrupted, RetryableError, UserError
from retuner.in_thread import in_thread

LISTEN_SECONDS = 5.0
"""The system of a busy scheduler takes connections all the same, so that longer waiting finds no more of them."""
LOOK_SECONDS = 0.2
_PORT = 8786
"""Dask's own default."""

Answer = TypeVar("Answer")


def check_listener(address: str, stop: threading.Event) -> None:
    """Raise RetryableError where the address cannot be resolved or nobody listens there: it may be started just now.

    Raises UserError where it is no address, Interrupted where `stop` is set. That it is a scheduler which listens is
    found out when the cluster is opened.
    """
    if address.startswith("ucx:"):  # not TCP: only Dask can ask there
        return
    try:
        parts = urlsplit(address)
        place = (parts.hostname or "", parts.port or _PORT)
        until_stopped(lambda: socket.create_connection(place, LISTEN_SECONDS).close(), stop, address=address)
    except ValueError as error:
        raise UserError(f"The Dask scheduler's address {address} cannot be used: {error}.") from None
    except OSError as error:
        raise RetryableError(
            f"No Dask scheduler listens at {address} ({error.strerror or error}): start one there with 'dask "
            f"scheduler', or correct compute.address; without an address, a cluster on this machine is used."
        ) from None


def until_stopped(
    connect: Callable[[], Answer],
    stop: threading.Event,
    *,
    address: str,
    discard: Callable[[Future[Answer]], Any] = lambda late: None,
) -> Answer:
    """What `connect` returns or raises; Interrupted as soon as `stop` is set.

    It works in a thread of its own, as neither a resolver nor Dask can be called off. `discard` then gets what comes
    of it.
    """
    outcome = in_thread(connect, f"connects to {address}")
    while not wait([outcome], timeout=LOOK_SECONDS).done:
        if stop.is_set():
            outcome.add_done_callback(discard)
            raise Interrupted(f"Stopped while connecting to {address}; {GOES_ON}.")
    return outcome.result()
