"""The errors of Azure's libraries as ours. None of their texts is repeated: those hold addresses with signatures."""

import re
from collections.abc import Callable
from typing import TypeVar

from azure.core import exceptions as azure

from retuner.errors import RetryableError, UserError

Answer = TypeVar("Answer")

UNREACHABLE: tuple[type[Exception], ...] = (azure.ServiceRequestError, azure.ServiceResponseError)
"""No answer came: names, routes, certificates, time limits."""
GARBLED: tuple[type[Exception], ...] = (
    azure.DecodeError,
    azure.ODataV4Error,
    azure.StreamConsumedError,
    azure.StreamClosedError,
    azure.ResponseNotReadError,
    azure.DeserializationError,
)
"""An answer came, but not whole, or not one that the library understands."""
REFUSED: tuple[type[Exception], ...] = (azure.SerializationError,)
"""The library itself did not accept the request: the same request fails again."""
BY_STATUS: tuple[type[Exception], ...] = (azure.HttpResponseError,)
"""An answer with a status that tells what to do."""

_TRANSIENT = {408, 412, 425, 429, 500, 502, 503, 504}
"""412: another process wrote at the same time, and the next look sees what it wrote."""
_TRANSIENT_CODES = {"Md5Mismatch", "InvalidBlockList"}
"""Damage on the way, and another process that wrote the same blob at the same time."""
_NOT_ACCEPTED = "AuthenticationFailed"
_NO_TOKEN = (
    "no identity was accepted: sign in with 'az login', run where there is a managed identity, or name a block with "
    "credentials in storage.block"
)
_ROLES = "'Storage Blob Data Contributor' on the container and 'Storage Blob Delegator' on the account"
_BY_CODE = {
    _NOT_ACCEPTED: "the SAS is of another container, was changed, has expired or was revoked: make a new one",
    "AuthorizationFailure": (
        "the SAS is of another container, has expired or was revoked, or the account's firewall shuts this machine out"
    ),
    "AuthorizationPermissionMismatch": f"the SAS lacks that permission, or the identity lacks the roles {_ROLES}",
    "AuthorizationSourceIPMismatch": "the SAS is limited to other addresses than this machine's (sip): make a new one",
    "ContainerNotFound": (
        "correct storage.container, or create it with: az storage container create --auth-mode login --account-name "
        "<account> --name <container>"
    ),
}
_BY_STATUS = {
    401: "check the credentials and the account's tenant",
    403: f"check the SAS and the account's firewall, or that the identity has the roles {_ROLES}",
    404: "check storage.account_url and storage.container",
    409: "another process writes there, or the container is being deleted: look at it and start again",
}
_ELSE = "look the code up in Azure's list of Blob storage error codes"


def ask(what: str, call: Callable[[], Answer], *, renewed: bool = False) -> Answer:
    """The call's answer. Its errors become RetryableError or UserError beginning with `what`.

    `renewed` where the signature is another service's, which gives out a new one for every try.

    Raised outside the handler, so that the error carries no context with the foreign one, nor its request, in it.
    """
    try:
        return call()
    except (azure.AzureError, azure.SerializationError, azure.DeserializationError) as error:
        ours = translate(error, what, renewed=renewed)
    raise ours


def translate(error: Exception, what: str, *, renewed: bool = False) -> RetryableError | UserError:
    """Our error for one of Azure's."""
    name = type(error).__name__
    if isinstance(error, UNREACHABLE):
        return RetryableError(f"{what}: no answer came ({name}{_reason(error)}).")
    if isinstance(error, REFUSED):
        return UserError(f"{what}: the request was not valid ({name}); check the storage parameters.")
    status, code = getattr(error, "status_code", None), _code(error)
    if status in _TRANSIENT or code in _TRANSIENT_CODES:
        return RetryableError(f"{what}: the storage account could not do it now ({status} {code}).")
    if renewed and code == _NOT_ACCEPTED:
        return RetryableError(
            f"{what}: its address is not accepted any more ({status} {code}); a new try gets a new one."
        )
    if isinstance(error, GARBLED) and (status is None or status < 400):
        return RetryableError(f"{what}: the answer came incomplete or garbled ({name}).")
    if status is None and isinstance(error, azure.ClientAuthenticationError):
        return UserError(f"{what}: {_NO_TOKEN} ({name}).")
    if status is None:
        return RetryableError(f"{what}: the storage account gave no usable answer ({name}).")
    advice = _BY_CODE.get(code) or _BY_STATUS.get(status, _ELSE)
    return UserError(f"{what}: refused with {status} {code}; {advice}.")


def has_code(error: azure.HttpResponseError, *codes: str) -> bool:
    """Whether the service gave one of its error codes."""
    return _code(error) in codes


def _code(error: Exception) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or type(error).__name__)


def _reason(error: Exception) -> str:
    """The operating system's own words, where there are some: they hold no address."""
    found = re.search(r"\[Errno -?\d+\] [\w ]+|certificate verify failed|timed out", str(error))
    return f": {found.group()}" if found else ""
