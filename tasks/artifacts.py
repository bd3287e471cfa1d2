"""What an operator sees in the Prefect UI beside task states: search progress, leaderboard, summary."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from uuid import UUID

from prefect.artifacts import (
    TableArtifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from retuner.cost.plan import Plan
from retuner.cost.words import plan_lines, plan_rows

SECONDS_BETWEEN_UPDATES = 3.0
SECONDS_BETWEEN_LEADERBOARDS = 10.0

Content = TypeVar("Content")
Rows = list[dict[str, Any]]

logger = logging.getLogger("retuner.tasks")


@contextmanager
def _optional(what: str) -> Iterator[None]:
    """Go on without the artifact where the API fails: it shows the work, and the work does not depend on it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever the API's client raises
        logger.warning("The %s was not written to Prefect: %s", what, error)


class _Writer(Generic[Content]):
    """Writes the newest of what it is given, in a thread of its own.

    Prefect's client tries for a minute where the API does not answer, and the search goes on.
    """

    def __init__(self, write: Callable[[Content], object]) -> None:
        self._write = write
        self._contents: SimpleQueue[Content | None] = SimpleQueue()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._work,), name="artifact-writer", daemon=True
        )
        self._thread.start()

    def put(self, content: Content) -> None:
        """Have this written instead of what waits to be."""
        self._contents.put(content)

    def close(self) -> None:
        """Wait shortly for the last one to be written."""
        self._contents.put(None)
        self._thread.join(timeout=SECONDS_BETWEEN_UPDATES)

    def _work(self) -> None:
        while (content := self._contents.get()) is not None:
            with suppress(Empty):  # of those that came while the last one was written, the newest
                while (newer := self._contents.get_nowait()) is not None:
                    content = newer
                self._contents.put(None)
            self._write(content)


class ProgressArtifact:
    """The share of trials that have ended, written at most every few seconds."""

    def __init__(self, study: str) -> None:
        self._id: UUID | None = None
        with _optional("progress"):
            self._id = create_progress_artifact(
                progress=0.0, key=_key("progress", study), description=f"Trials of {study} that have ended."
            )
        self._written = time.monotonic()
        self._writer = _Writer(self._write)

    def update(self, percent: float, *, now: bool = False) -> bool:
        """Have `percent` (0 to 100) written, unless the last one was just before; returns whether it will be."""
        due = now or time.monotonic() - self._written >= SECONDS_BETWEEN_UPDATES
        if due:
            self._written = time.monotonic()
            self._writer.put(percent)
        return due

    def close(self) -> None:
        """Wait shortly for the last one to be written."""
        self._writer.close()

    def _write(self, percent: float) -> None:
        with _optional("progress"):
            if self._id is not None:
                update_progress_artifact(self._id, progress=percent)


class LeaderboardArtifact:
    """One table: the best trials, best first, while the search runs, and all trials when it is over."""

    def __init__(self, study: str) -> None:
        self._study = study
        self._id: UUID | None = None
        self._written = time.monotonic()
        self._writer = _Writer(self._write)

    def is_due(self) -> bool:
        """Whether the table is old enough to be written anew."""
        return time.monotonic() - self._written >= SECONDS_BETWEEN_LEADERBOARDS

    def update(self, rows: Rows) -> None:
        """Have the table replaced by these rows."""
        self._written = time.monotonic()
        self._writer.put(rows)

    def finish(self, rows: Rows) -> None:
        """Have the table replaced for the last time, and wait shortly for it."""
        self._writer.put(rows)
        self._writer.close()

    def close(self) -> None:
        """Write nothing more."""
        self._writer.close()

    def _write(self, rows: Rows) -> None:
        with _optional("leaderboard"):
            if self._id is None:
                words = f"Trials of {self._study}, best first."
                self._id = create_table_artifact(table=rows, key=_key("leaderboard", self._study), description=words)
                return
            with get_client(sync_client=True) as client:
                client.update_artifact(self._id, ArtifactUpdate(data=TableArtifact(table=rows).format()))


def write_plan(model_name: str, plan: Plan) -> None:
    """What the retune is expected to take, part by part."""
    with _optional("plan"):
        key, words = _key_of("plan", model_name), "\n\n".join(plan_lines(plan))
        create_table_artifact(table=plan_rows(plan), key=key, description=words)


def write_link(study: str, address: str) -> None:
    """Where the study's jobs can be looked at."""
    with _optional("link"):
        create_link_artifact(link=address, key=_key("jobs", study), description=f"The jobs of {study}.")


def write_summary(study: str, markdown: str) -> None:
    """The flow run in one page."""
    with _optional("summary"):
        create_markdown_artifact(markdown=markdown, key=_key("summary", study), description=f"What came of {study}.")


def link_report(study: str, location: str) -> None:
    """Where the report lies. Browsers follow no link from a server to a file, so that the path is told as well."""
    is_file = "://" not in location
    address = Path(location).as_uri() if is_file else location
    how = f"; a browser opens no file from here: paste its path there, or: `retune report {study}`" if is_file else ""
    with _optional("link to the report"):
        create_link_artifact(
            link=address,
            link_text=f"Report of {study}",
            key=_key("report", study),
            description=f"The report of {study}, one HTML file: `{location}`{how}",
        )


def _key(kind: str, study: str) -> str:
    """Prefect allows lower case, digits and dashes. One key per model, so that its versions line up in the UI."""
    return _key_of(kind, study.rsplit("-", 2)[0])


def _key_of(kind: str, model_name: str) -> str:
    return f"{kind}-{model_name}".lower().replace("_", "-")
