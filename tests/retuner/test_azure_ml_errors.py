"""What azureml-core raises, as our errors."""

import importlib
import inspect

import pytest
from azure_ml_emulator.client import import_sdk

from retuner.azure_ml.errors import SignInExpired, ask, translate
from retuner.compute.azure_ml_service import ADVICE
from retuner.errors import RetryableError, UserError


class Answered(Exception):
    """As the SDK's: a status in a field."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status_code = status


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_can_be_tried_again(status):
    assert isinstance(translate(Answered(status, "busy"), "It failed", ADVICE), RetryableError)


@pytest.mark.parametrize(("status", "word"), [(403, "role"), (404, "compute.workspace"), (400, "parameter")])
def test_what_a_person_must_change_says_what(status, word):
    error = translate(Answered(status, '"message": "No."'), "It failed", ADVICE)
    assert isinstance(error, UserError)
    assert str(error).startswith("It failed: No (")
    assert word in str(error)


def test_an_expired_token_is_told_from_other_refusals():
    assert isinstance(translate(Answered(401, "expired"), "It failed", ADVICE), SignInExpired)


def test_a_status_is_found_in_the_words_alone():
    text = "ComputeTargetException:\n\tMessage: Error:\nResponse Code: 503\nHeaders: {'a': 'b'}"
    assert isinstance(translate(RuntimeError(text), "It failed", ADVICE), RetryableError)


def test_a_broken_connection_can_be_tried_again():
    import requests

    def breaks():
        raise requests.exceptions.ConnectionError("refused")

    with pytest.raises(RetryableError, match="no answer came"):
        ask("It failed", breaks, ADVICE)


def test_our_own_errors_pass_as_they_are():
    def refuse():
        raise UserError("as it is")

    with pytest.raises(UserError, match=r"^as it is$"):
        ask("It failed", refuse, ADVICE)


# every error that the SDK and the library that sends its requests can raise

UNREACHABLE = {"ClientRequestError", "AsyncClientRequestError", "MSIAuthenticationTimeoutError"}
EXPIRED = {"TokenExpiredError"}
PREFIXES = ("azureml.exceptions", "azureml._common", "azureml._restclient", "azureml._base_sdk_common", "msrest")


def library_errors() -> list[type[Exception]]:
    import_sdk()
    importlib.import_module("azureml.core.authentication")
    found, left = set(), [Exception]
    while left:
        for kind in left.pop().__subclasses__():
            left.append(kind)
            if kind.__module__.startswith(PREFIXES) and not issubclass(kind, Warning | StopIteration):
                found.add(kind)
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def answered(status: int):
    import requests

    response = requests.Response()
    response.status_code, response.reason, response.url = status, "No", "https://host/path"
    response._content = b'{"error": {"code": "No", "message": "The service said no.", "details": []}}'
    return response


def with_answer(kind: type[Exception], status: int) -> Exception | None:
    """The error as the library raises it for an answer; None where its class keeps none."""
    from azureml._restclient.models import ErrorResponseException
    from msrest import Deserializer

    first = next(iter(list(inspect.signature(kind.__init__).parameters)[1:]), "")
    if first == "deserialize":
        return kind(Deserializer(), answered(status))
    if first == "error_response_exception":
        return kind(ErrorResponseException(Deserializer(), answered(status)))
    if first == "response":
        return kind(answered(status))
    if first == "exception_message":
        return kind(f"Received bad response from Model Management Service:\nResponse Code: {status}\nHeaders: {{}}")
    return None


def without_answer(kind: type[Exception]) -> Exception | None:
    """The error with nothing but words; None where its class wants an answer."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    needed = [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    if {"response", "error_response_exception"} & set(needed):
        return None
    words = {"exceptions_list": ["It is so."], "rule": "required"}
    return kind(*(words.get(name, "It is so.") for name in needed))


@pytest.mark.parametrize("status", [403, 503])
def test_every_error_with_an_answer_is_told_by_its_status(status):
    told = {kind: with_answer(kind, status) for kind in library_errors()}
    errors = {kind: translate(error, "It failed", ADVICE) for kind, error in told.items() if error is not None}
    assert len(errors) > 25
    for kind, ours in errors.items():
        assert isinstance(ours, UserError if status == 403 else RetryableError), kind
        assert ("role" in str(ours)) == (status == 403), kind


def test_every_error_without_an_answer_is_told_by_its_kind():
    told = {kind: without_answer(kind) for kind in library_errors()}
    errors = {kind: translate(error, "It failed", ADVICE) for kind, error in told.items() if error is not None}
    assert len(errors) > 25
    for kind, ours in errors.items():
        expected = SignInExpired if kind.__name__ in EXPIRED else RetryableError
        may_pass = kind.__name__ in UNREACHABLE | EXPIRED
        assert type(ours) is (expected if may_pass else UserError), kind
        assert str(ours).startswith("It failed: "), kind


def test_an_error_that_was_raised_for_another_is_told_by_that_one():
    def hides():
        try:
            raise Answered(503, "busy")
        except Answered:
            raise AttributeError("'NoneType' object has no attribute 'status_code'") from None

    with pytest.raises(RetryableError, match="503"):
        ask("It failed", hides, ADVICE)


def test_a_missing_sign_in_says_how_to_sign_in():
    import_sdk()
    from azureml.exceptions import AuthenticationException

    error = translate(AuthenticationException("Please run az login."), "It failed", ADVICE)
    assert isinstance(error, UserError)
    assert "AZURE_CLIENT_SECRET" in str(error)
