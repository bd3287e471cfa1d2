"""Calls that may hang and cannot be called off, so that whoever makes them need not hang with them."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Answer = TypeVar("Answer")


def in_thread(call: Callable[[], Answer], name: str) -> Future[Answer]:
    """What will come of the call, which works in a thread of that name. The process does not wait for it to end."""
    outcome: Future[Answer] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where the answer is taken
            outcome.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return outcome
