"""A folder in the system's place for temporary files, which all users of the machine share."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def own_folder(name: str) -> Path:
    """The user's own folder `<name>-<user id>` there, made where it is missing.

    Raises PermissionError where somebody else made it or a link lies there: what is in it would be somebody else's.
    """
    user = os.getuid()
    folder = Path(tempfile.gettempdir(), f"{name}-{user}").absolute()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user:
        raise PermissionError(f"{folder} is a link or another user's, so that its content is not trusted: remove it.")
    return folder
