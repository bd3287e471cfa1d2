"""Notifications through Prefect's blocks: Slack, Teams, e-mail, any webhook. The address is in the block, not here."""

import logging
from collections.abc import Iterable
from typing import Any

from retuner.errors import RetryableError, UserError

logger = logging.getLogger("retuner.tasks")


def send(blocks: Iterable[str], subject: str, body: str) -> list[str]:
    """Send one message through each block; returns a sentence for each that could not be sent. Raises nothing."""
    faults = []
    for name in blocks:
        try:
            send_one(name, subject, body)
        except (UserError, RetryableError) as error:
            logger.warning("%s", error)
            faults.append(str(error))
    return faults


def send_one(name: str, subject: str, body: str) -> None:
    """Send through the block `type/name`. Raises UserError where it is missing, RetryableError where it was refused."""
    block = load_block(name)
    try:
        with block.raise_on_failure():
            block.notify(body, subject)
    except Exception as error:  # noqa: BLE001 - each kind of block has its own library's errors
        answer = getattr(error, "response", None)
        # an HTTP error's own words hold the address, which may be a secret
        words = f"it answered {answer.status_code}" if answer is not None else type(error).__name__
        raise RetryableError(
            f"The notification through {name} did not arrive ({words}): check the block's address in the Prefect UI, "
            "then try: retune notify --test"
        ) from None


def load_block(name: str) -> Any:
    """The notification block. Raises UserError where there is none of that type and name.

    Raises RetryableError where the API does not give it: whoever tells of a champion must not fail for that.
    """
    from prefect.blocks.abstract import NotificationBlock
    from prefect.blocks.core import Block

    try:
        block = Block.load(name)
    except ValueError:
        raise UserError(
            f"There is no block '{name}': make it in the Prefect UI under Blocks, or correct notify.blocks; "
            "it is the type and the name, such as slack-webhook/our-team."
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever the API's client raises
        raise RetryableError(f"The block '{name}' cannot be read from Prefect: {type(error).__name__}.") from None
    if not isinstance(block, NotificationBlock):
        raise UserError(f"The block '{name}' is a {type(block).__name__}, which sends no notifications.")
    return block
