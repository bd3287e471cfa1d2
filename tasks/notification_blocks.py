"""Notifications through Prefect's blocks: Slack, Teams, e-mail, any webhook. The address is in the block, not here."""

import html
import logging
import re
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
            block.notify(_as_html(html.escape(body)) if sends_html(name) else body, subject)
    except Exception as error:  # noqa: BLE001 - each kind of block has its own library's errors
        raise RetryableError(
            f"The notification through {name} did not arrive ({_answer(error)}): check the block's address in the "
            "Prefect UI, then try: retune notify --test"
        ) from None


def body_template(name: str, template: str) -> str:
    """The template of a body, as the server must fill it in for that block."""
    return _as_html(f"{{% filter escape %}}{template}{{% endfilter %}}") if sends_html(name) else template


def sends_html(name: str) -> bool:
    """Whether the kind of block calls every body HTML, where lines are joined and `<module>` is not seen."""
    return name.partition("/")[0] == "sendgrid-email"


def _as_html(escaped: str) -> str:
    return f"<pre>{escaped}</pre>"


def _answer(error: Exception) -> str:
    """The status of the answer, if any; the error's own words may hold the address, which may be a secret."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"it answered {response.status_code}"
    status = re.search(r"\berror=(\d{3})\b", getattr(error, "log", ""))  # Apprise tells it in its log alone
    return f"it answered {status[1]}" if status else type(error).__name__


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
