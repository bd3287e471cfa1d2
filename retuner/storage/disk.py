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
            raise UserError(f"{what}: the disk is full ({error.strerror}). Free some space and start again.") from error
        if error.errno in _REFUSED:
            raise UserError(
                f"{what}: {error.strerror} ({error.filename}). Check that folder and its rights."
            ) from error
        raise RetryableError(f"{what}: {error}.") from error
