"""The libraries that a recipe of a user's own needs beside ours: the requirements.txt of its package."""

import re
import zipfile
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from retuner.errors import UserError

_FILE = re.compile(r"[^/]+/requirements\.txt")


def read_requirements(snapshot: Path) -> tuple[Requirement, ...]:
    """What the packages in the snapshot's archive require on a machine such as this one, in their order.

    Raises UserError naming file and line of what is no name with versions.
    """
    with zipfile.ZipFile(snapshot) as archive:
        names = [name for name in archive.namelist() if _FILE.fullmatch(name)]
        texts = {name: archive.read(name).decode(errors="replace") for name in names}
    found = [_parse(line, f"{name}, line {row}") for name, text in texts.items() for row, line in _lines(text)]
    return tuple(one for one in found if one.marker is None or one.marker.evaluate())


def _lines(text: str) -> list[tuple[int, str]]:
    """Numbered lines, without comments and empty ones."""
    bare = [re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()]
    return [(row, line) for row, line in enumerate(bare, start=1) if line]


def _parse(line: str, place: str) -> Requirement:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        requirement = None
    if requirement is None or requirement.url is not None:
        raise UserError(f"{place}: '{line}' cannot be installed on nodes: give a package and its versions alone.")
    return requirement
