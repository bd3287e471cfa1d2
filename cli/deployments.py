"""What prefect.yaml says, read and checked before any of it is put onto a server."""

import asyncio
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from retuner.errors import UserError
from retuner.parameters.values import parse_parameters
from retuner.settings import CHECKOUT

FILE = Path(os.environ.get("RETUNER_DEPLOYMENTS") or CHECKOUT / "prefect.yaml")
"""RETUNER_DEPLOYMENTS names another file, such as one with deployments of your own."""
EXAMPLE = "'0 3 * * 1' for Mondays at 3:00"
DATES = 8
"""Starts of a schedule that are looked at for the longest time between two."""


@dataclass(frozen=True)
class Deployment:
    """One entry of the file."""

    flow: str
    name: str
    blocks: tuple[str, ...]
    """Notification blocks that it names."""
    events: tuple[str, ...] | None
    """What they are told of; None where its flow has no parameter `notify`."""
    period: float | None
    """Seconds between two of its scheduled starts at most; None where it has no schedule that is on."""

    @property
    def path(self) -> str:
        return f"{self.flow}/{self.name}"


def read_deployments(file: Path = FILE) -> list[Deployment]:
    """All deployments of the file. Raises UserError with the deployment and the field where one cannot be used."""
    import yaml

    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise UserError(f"The deployments in {file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}.") from None
    entries = content.get("deployments") if isinstance(content, dict) else None
    if not entries or not isinstance(entries, list):
        raise UserError(f"{file} must hold a list of deployments; the checkout's prefect.yaml is an example.")
    return [_deployment(entry, file) for entry in entries]


def _deployment(entry: Any, file: Path) -> Deployment:
    missing = [field for field in ("name", "entrypoint") if not (isinstance(entry, dict) and entry.get(field))]
    if missing:
        raise UserError(f"A deployment in {file} has no {' and no '.join(missing)}.")
    flow = str(entry["entrypoint"]).partition(":")[2].replace("_", "-")  # flows are named as their function is
    place = f"The deployment {flow}/{entry['name']} in {file}"
    parameters = {name: value for name, value in (entry.get("parameters") or {}).items() if name != "resume"}
    notify = None
    if flow == "retune":
        try:
            notify = parse_parameters(parameters).notify
        except UserError as error:
            raise UserError(f"{place} cannot be used. {error}") from None
    periods = [_period(schedule, place) for schedule in entry.get("schedules") or [] if schedule.get("active", True)]
    blocks, events = (notify.blocks, notify.events) if notify else ((), None)
    return Deployment(flow, str(entry["name"]), blocks, events, min(periods, default=None))


def _period(schedule: dict[str, Any], place: str) -> float:
    """The longest time between two starts, in seconds. Raises UserError where the schedule cannot be read."""
    from prefect.server.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    cron, timezone = schedule.get("cron"), schedule.get("timezone", "UTC")
    if not cron:
        raise UserError(f"{place} has a schedule without a cron line: write one, such as {EXAMPLE}.")
    try:
        dates = asyncio.run(CronSchedule(cron=cron, timezone=timezone).get_dates(DATES))
    except ValidationError as error:
        if "timezone" in error.errors()[0]["msg"]:
            words = f"the time zone {timezone!r}, which there is not: write one such as 'Europe/Berlin' or 'UTC'"
        else:
            words = f"the cron line {cron!r}, which is none: write five fields, such as {EXAMPLE}"
        raise UserError(f"{place} has {words}.") from None
    return max((later - earlier).total_seconds() for earlier, later in pairwise(dates))
