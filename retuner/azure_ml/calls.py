"""How azureml-core is called: imported late, signed in, not too often, and never waited for without end."""

import importlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from retuner.errors import RetryableError, UserError
from retuner.in_thread import in_thread

Answer = TypeVar("Answer")
_ENDED = ("Completed", "Failed", "Canceled")
RENEWAL_SECONDS = 300.0
"""A token that ends sooner is asked for anew."""


class Pace:
    """At most so many calls a second, evenly spread."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1.0 / per_second
        self._next = 0.0

    def wait(self) -> None:
        present = time.monotonic()
        if present < self._next:
            time.sleep(self._next - present)
        self._next = max(present, self._next) + self._gap


def in_time(call: Callable[[], Answer], seconds: float) -> Answer:
    """The call's answer, or a RetryableError after `seconds`. A call that hangs is left behind in its thread."""
    outcome = in_thread(call, "azure-ml-call")
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():
            raise
        _unlock_discovery()
        raise RetryableError(f"Azure ML did not answer within {seconds:g} s.") from None


def _unlock_discovery() -> None:
    """Let the SDK look up its services' addresses again.

    It does so without a time limit while it holds a lock of the process: where no answer came, all later calls would
    wait for ever. Should the lock be that of another call, no more than the SDK's file of addresses is read anew.
    """
    discovery = sys.modules.get("azureml._base_sdk_common.service_discovery")
    if discovery is not None:
        with suppress(RuntimeError):  # nobody holds it
            discovery.CachedServiceDiscovery._cache_file_writing_lock.release()


def import_sdk() -> None:
    """Import azureml-core, its own tries turned down first: one layer of ours answers a fault, not three.

    It reads those settings when it is imported; 32 s sleeps and up to 16 tries are its defaults.
    """
    for name, value in (("DEFAULT_BACKOFF", "1"), ("DEFAULT_RETRIES", "0"), ("DEFAULT_500_BACKOFF", "1")):
        os.environ.setdefault(f"AZUREML_{name}", value)
    for name in ("azureml", "azure.identity"):
        # their errors are raised as well as logged, and the raised ones are what people are shown
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        importlib.import_module("azureml.core")
    except ImportError as error:
        raise UserError(f"Azure ML needs the package azureml-core ({error}): pip install azureml-core.") from None


def sign_in_with_secret(tenant: str, client: str, secret: str) -> Any:
    """The service principal's sign-in, which keeps its token as long as that is good."""
    from azureml.core.authentication import ServicePrincipalAuthentication

    class ServicePrincipal(ServicePrincipalAuthentication):  # type: ignore[misc]
        """The SDK's own cache would hold a lock of all sign-ins while one asks, for ever where no answer comes."""

        _kept: str | None = None

        def _get_arm_token(self) -> str:
            if self._kept is None or self._is_token_expired(self._kept):
                self._kept = str(super()._get_arm_token())
            return self._kept

    return ServicePrincipal(tenant, client, secret, _enable_caching=False)


def default_sign_in() -> Any:
    """The service principal of AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, else a managed identity or
    the login of the command line `az`. Made anew where its token was refused, as it keeps the one that it has."""
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    if all(os.environ.get(name) for name in names):
        return sign_in_with_secret(*(os.environ[name] for name in names))
    from azureml.core.authentication import AbstractAuthentication, TokenAuthentication

    class Machine(TokenAuthentication):  # type: ignore[misc]
        """The SDK's own class gives its tokens by an audience of the SDK alone, and Azure's management clients none."""

        get_token = AbstractAuthentication.get_token

    return Machine(_machine_tokens(), cloud="AzureCloud")


def _machine_tokens() -> Callable[[str], str]:
    """Gives tokens by audience. azureml-core's own classes want the whole of azure-cli installed in this Python."""
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential(exclude_environment_credential=True)
    held: dict[str, tuple[str, float]] = {}

    def token(audience: str) -> str:
        if audience not in held or held[audience][1] - time.time() < RENEWAL_SECONDS:
            given = credential.get_token(f"{audience}/.default")
            held[audience] = given.token, given.expires_on
        return held[audience][0]

    return token


def is_finished(status: str) -> bool:
    """Whether the run has ended in one way or another."""
    return status in _ENDED


def cancel_run(run: Any) -> None:
    """Ask a run to end. The SDK's own call passes over a refusal, and the run would go on and be paid for."""
    from azureml._compute._util import get_requests_session

    address = run._run_dto.get("cancel_uri")
    if address:
        headers = run.experiment.workspace._auth.get_authentication_header()
        answer = get_requests_session().post(address, headers=headers)
        if not answer.ok and not is_finished(run.get_status()):
            if answer.status_code == 404:  # else taken for a run that nobody knows
                raise RetryableError(f"Azure ML does not find the run {run.id}, which is at work, to cancel it.")
            answer.raise_for_status()
    else:  # it has not come to a compute target
        run.cancel()


@contextmanager
def working_directory_kept() -> Iterator[None]:
    """Experiment.submit changes the working directory of the whole process, for the time of the call or longer."""
    here = Path.cwd()
    try:
        yield
    finally:
        os.chdir(here)
