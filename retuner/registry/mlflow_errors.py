"""The errors of MLflow, its database, the network and the disk, as ours."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from retuner.errors import RetryableError, UserError

TRANSIENT = {
    "ABORTED",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_CONFLICT",
    "RESOURCE_EXHAUSTED",
    "TEMPORARILY_UNAVAILABLE",
}
"""Names of MLflow's error codes after which the same call may work again."""
_NO_ANSWER = " failed with exception "
"""In what MLflow says of a request that was not answered, before all the words of its HTTP library."""


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Raise RetryableError or UserError in place of a foreign error; `action` says what was going on."""
    try:
        yield
    except OSError as error:
        raise _from_system(error, action) from error
    except (RetryableError, UserError):
        raise
    except Exception as error:
        ours = _from_library(error, action)
        if ours is None:
            raise
        raise ours from error


def _from_system(error: OSError, action: str) -> RetryableError | UserError:
    # the errors of `requests` are OSErrors without a number
    if error.errno is None or isinstance(error, (ConnectionError, TimeoutError)):
        return RetryableError(f"The connection failed at {action}: {error}.")
    advice = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the folder"
    return UserError(f"The file system failed at {action}: {error}; {advice} and try again.")


def _from_library(error: Exception, action: str) -> RetryableError | UserError | None:
    """Our error for one of MLflow or its database; None for a fault of the program."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    kind: type[RetryableError] | type[UserError]
    if isinstance(error, MlflowException):
        if _NO_ANSWER in error.message:
            return RetryableError(f"MLflow gave no answer at {action}: check that it runs, and registry.tracking_uri.")
        kind = RetryableError if error.error_code in TRANSIENT else UserError
        return kind(f"MLflow failed at {action}: {error.error_code}: {error.message}")
    if isinstance(error, DBAPIError):
        kind = RetryableError if error.connection_invalidated or "locked" in str(error.orig) else UserError
        return kind(f"MLflow's database failed at {action}: {error.orig}.")
    if isinstance(error, SQLAlchemyError):
        return UserError(f"MLflow's database failed at {action}: {error}.")
    return None
