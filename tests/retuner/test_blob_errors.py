"""Errors of Azure's libraries around Blob storage as ours: which of them are worth another try."""

import inspect

import azure.core.exceptions
import azure.identity
import azure.storage.blob._shared.authentication
import azure.storage.blob._shared.response_handlers
import pytest

from retuner.errors import RetryableError, UserError
from retuner.storage import blob_errors
from retuner.storage.blob_errors import translate


def foreign_errors():
    """Every error class of Azure's libraries that can come out of a call to Blob storage."""
    modules = (
        azure.core.exceptions,
        azure.identity,
        azure.storage.blob._shared.authentication,
        azure.storage.blob._shared.response_handlers,
    )
    classes = {item for module in modules for item in vars(module).values() if inspect.isclass(item)}
    return sorted((item for item in classes if issubclass(item, Exception)), key=lambda item: item.__name__)


KNOWN = {*blob_errors.UNREACHABLE, *blob_errors.GARBLED, *blob_errors.REFUSED, *blob_errors.BY_STATUS}


class TestErrors:
    """Everything that Azure's libraries raise has a place in our tree."""

    def test_there_are_errors_to_look_at(self):
        assert len(foreign_errors()) >= 20

    @pytest.mark.parametrize("foreign", foreign_errors(), ids=lambda item: item.__name__)
    def test_each_foreign_error_is_mapped(self, foreign):
        if foreign in (Exception, ValueError, azure.core.exceptions.AzureError):
            return  # the bases of what is meant
        assert any(issubclass(foreign, known) for known in KNOWN)

    @pytest.mark.parametrize(
        ("foreign", "ours"),
        [
            (azure.core.exceptions.ServiceRequestError("no route"), RetryableError),
            (azure.core.exceptions.ServiceResponseTimeoutError("late"), RetryableError),
            (azure.core.exceptions.IncompleteReadError("cut"), RetryableError),
            (azure.core.exceptions.ClientAuthenticationError("no token"), UserError),
            (azure.identity.CredentialUnavailableError("az login"), UserError),
            (azure.core.exceptions.SerializationError("odd"), UserError),
        ],
        ids=lambda item: type(item).__name__ if isinstance(item, Exception) else item.__name__,
    )
    def test_the_kind_says_whether_trying_again_helps(self, foreign, ours):
        assert type(translate(foreign, "it failed")) is ours

    @pytest.mark.parametrize(
        ("status", "code", "ours"),
        [
            (429, "ServerBusy", RetryableError),
            (503, "ServerBusy", RetryableError),
            (500, "InternalError", RetryableError),
            (412, "ConditionNotMet", RetryableError),
            (400, "Md5Mismatch", RetryableError),
            (400, "InvalidUri", UserError),
            (401, "InvalidAuthenticationInfo", UserError),
            (403, "AuthenticationFailed", UserError),
            (403, "AuthorizationPermissionMismatch", UserError),
            (404, "ContainerNotFound", UserError),
            (409, "ContainerBeingDeleted", UserError),
        ],
    )
    def test_a_status_says_whether_trying_again_helps(self, status, code, ours):
        foreign = azure.core.exceptions.HttpResponseError("words with sig=abc")
        foreign.status_code, foreign.error_code = status, code
        error = translate(foreign, "it failed")
        assert type(error) is ours
        assert f"{status} {code}" in str(error)
        assert "abc" not in str(error)
