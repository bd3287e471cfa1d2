"""Trouble with the disk, told so that a person can act on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retuner.errors import UserError


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the operating system says about a full, read-only or forbidden disk into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}): make room or allow it, "
            "or set RETUNER_HOME to a folder on another disk."
        ) from error
