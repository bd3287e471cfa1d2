"""The errors of this machine's disks as ours."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from retuner.errors import RetryableError, UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.EEXIST,
}


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Raise UserError or RetryableError beginning with `what` in place of an OSError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(
                f"{what}: the disk is full ({error.strerror}): make room, or set RETUNER_HOME to a folder on another "
                "disk, and start again."
            ) from error
        if error.errno in _REFUSED:
            place = f" ({error.filename})" if error.filename else ""
            raise UserError(
                f"{what}: {error.strerror}{place}. Check that folder and its rights, or set RETUNER_HOME to another."
            ) from error
        raise RetryableError(f"{what}: {error}.") from error
