"""The errors of azureml-core and of the libraries under it as ours: what a person must change, or what may pass."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from retuner.errors import RetryableError, UserError

Answer = TypeVar("Answer")
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504, 530}
_STATUS = re.compile(
    r"(?:Response Code: |HTTP Error: |\"status_code\": |Code: |Response status code indicates .*?: )(\d{3})"
)
_MESSAGE = re.compile(r"(?:\"message\": ?\"|\(\w+\) )(.+?)(?:\"|\n|$)")
_FORBIDDEN = "Forbidden"
_ADDRESS_ENDED = "AuthenticationFailed"
"""How Blob storage refuses an address whose signature has ended; the service signs a new one when it is asked again."""
_UNREACHABLE = {"ConnectionError", "ConnectTimeout", "ReadTimeout", "ClientRequestError", "ServiceRequestError"}
_UNREACHABLE_BASES = {"RequestException", "HTTPError", "ServiceRequestError", "ServiceResponseError", "OSError"}
_SIGN_IN = {"AuthenticationException", "AuthenticationError", "ClientAuthenticationError"}
_NO_REASON = '"message": null'
"""What the SDK makes of a sign-in service that failed; one that refused gives its reason."""
_RETRY_AFTER = re.compile(r"[\"']Retry-After[\"']: [\"'](\d+(?:\.\d+)?)[\"']", re.IGNORECASE)
_NEXT_STEP = {
    400: "correct the parameter that it names",
    409: "another change is under way or a quota is used up: look at the workspace in the portal",
}
_SIGN_IN_STEP = (
    "sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET to those of a service "
    "principal"
)
_ELSE = "look at the workspace in the portal"


class SignInExpired(RetryableError):
    """The token is not accepted any more; the SDK keeps it, so that the workspace has to be opened again."""


class NotAllowed(UserError):
    """The identity lacks a role."""


class Throttled(RetryableError):
    """The service wants to be left alone for `seconds`; 0 where it did not say so."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message, seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return str(self.args[0])


def ask(what: str, call: Callable[[], Answer], advice: Mapping[int, str]) -> Answer:
    """The call's answer. Its errors become ours, beginning with `what`; `advice` is the next step by HTTP status."""
    try:
        return call()
    except (RetryableError, UserError):
        raise
    except Exception as error:  # noqa: BLE001 - the SDK raises errors of five libraries and plain ones of its own
        ours = translate(error, what, advice)
    raise ours


def translate(error: Exception, what: str, advice: Mapping[int, str]) -> RetryableError | UserError:
    """Our error for one of the SDK's. One without a status that is no network error is a person's to solve."""
    status, words = status_of(error), _words(error)
    if status == 401 or "TokenExpiredError" in _names(error):
        return SignInExpired(f"{what}: the access token was refused ({words}).")
    if status == 403 and any(_ADDRESS_ENDED in _text(one) for one in _chain(error)):
        return RetryableError(f"{what}: the signed address of a file was refused; it may have ended ({words}).")
    if status in _TRANSIENT:
        return Throttled(f"{what}: Azure ML could not do it now ({status}: {words}).", retry_after(error))
    if status is None and "AuthenticationError" in _names(error) and _NO_REASON in _text(error):
        return RetryableError(f"{what}: no token came, and no reason; where it stays so, {_SIGN_IN_STEP}.")
    if status is None and any(_names(one) & (_UNREACHABLE | _UNREACHABLE_BASES) for one in _chain(error)):
        return RetryableError(f"{what}: no answer came ({type(error).__name__}).")
    step = {**_NEXT_STEP, **advice}.get(status or 0, _SIGN_IN_STEP if _names(error) & _SIGN_IN else _ELSE)
    kind = NotAllowed if status == 403 else UserError
    return kind(f"{what}: {words} ({status or type(error).__name__}); {step}.")


def retry_after(error: Exception) -> float:
    """Seconds after which the service wants to be asked again; 0 where it named none."""
    for one in _chain(error):
        headers = getattr(getattr(one, "response", None), "headers", None) or {}
        told = str(headers.get("Retry-After") or "")
        if told.replace(".", "", 1).isdigit():
            return float(told)
        with suppress(ValueError, TypeError):  # the other form of the header is a date
            return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
        if found := _RETRY_AFTER.search(_text(one)):
            return float(found[1])
    return 0.0


def status_of(error: Exception) -> int | None:
    """The HTTP status that the error or one that led to it carries, in a field or only in its words."""
    return next((status for status in map(_own_status, _chain(error)) if status is not None), None)


def _own_status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status
    text = _text(error)
    if _FORBIDDEN in text:
        return 403
    if "Workspace not found" in text:
        return 404
    found = _STATUS.search(text)
    return int(found[1]) if found else None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except (TypeError, AttributeError):  # the SDK's own, where an answer lacks what it expects there
        return type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that led to it: the SDK often raises one of its own for another's."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _names(error: BaseException) -> set[str]:
    return {base.__name__ for base in type(error).__mro__}


def _words(error: Exception) -> str:
    """The service's own sentence, without the headers and the braces around it."""
    if "ClientAuthenticationError" in _names(error):  # it lists every way that azure-identity has tried
        return "no identity was found on this machine"
    found = next((found for one in _chain(error) if (found := _MESSAGE.search(_text(one)))), None)
    text = found[1] if found else _text(error)
    return " ".join(text.split())[:300].rstrip(".")
