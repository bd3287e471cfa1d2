"""The whole error tree of retuner. Retries look at it alone; the command line prints it without a traceback.

    RetunerError
    ├── RetryableError     the same call may work again: throttled, preempted, unreachable, late
    └── FatalError         calling again changes nothing
        ├── UserError      a person must change something, and the message says what
        │   └── UnusableVersion   one model version cannot be had; the registry and all others can
        ├── TrialFailed    the training code raised
        ├── OutOfTime      a job had not ended when its time was over
        └── Interrupted    the flow run was asked to stop; its study can be resumed

Foreign errors are translated into this tree in the module that wraps the library, nowhere else.
The message is the only argument, so that every error survives pickling between processes.
"""


class RetunerError(Exception):
    """Base of all errors that retuner raises on purpose."""


class RetryableError(RetunerError):
    """The same call may work again without anybody changing anything."""


class FatalError(RetunerError):
    """The same call would fail again."""


class UserError(FatalError):
    """A person must change something: one sentence with the fact, the value and the next step."""


class UnusableVersion(UserError):
    """One model version cannot be had, because of its files or its record; the registry works."""


class TrialFailed(FatalError):
    """The training code raised; the message holds its class and its words."""


class OutOfTime(FatalError):
    """A job had not ended when its time was over."""


class Interrupted(FatalError):
    """The flow run was asked to stop; its study can be resumed."""


def is_retryable(error: BaseException) -> bool:
    """Whether the same call may work again."""
    return isinstance(error, RetryableError)
