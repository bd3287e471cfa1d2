"""A journal of what was made and deleted in Azure, in RETUNER_HOME. The tags on the resources decide, not this."""

import json
from datetime import UTC, datetime
from typing import Literal

from retuner.settings import Settings

Act = Literal["make", "made", "delete", "deleted"]


def note(settings: Settings, act: Act, resource_id: str) -> None:
    """Add a line, before an act and after it."""
    settings.home.mkdir(parents=True, exist_ok=True)
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "act": act, "id": resource_id}
    with (settings.home / "azure.jsonl").open("a") as journal:
        journal.write(json.dumps(line) + "\n")
