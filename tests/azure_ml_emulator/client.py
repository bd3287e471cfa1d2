"""The real SDK in this process, led to an emulator: what its tests and the compute target's share."""

import importlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from azure_ml_emulator.emulator import Emulator

SDK_WARNINGS = pytest.mark.filterwarnings(
    # the copy of ruamel.yaml inside azureml-core warns of the functions that azureml-core calls
    r"ignore:\s*\w+ will be removed, use:PendingDeprecationWarning",
    # its timers are started the old way
    r"ignore:setDaemon\(\) is deprecated:DeprecationWarning:azureml",
    # a submission whose snapshot cannot be sent leaves the pool behind that sends it (azureml/_execution/_commands.py)
    r"ignore:unclosed running multiprocessing pool:ResourceWarning",
)
"""For every test that lets the SDK work: what it warns of is its own affair."""
WAIT_SECONDS = 60.0
BACKOFFS = {"DEFAULT_BACKOFF": 0, "DEFAULT_SHORT_BACKOFF": 0, "DEFAULT_500_BACKOFF": 0, "DEFAULT_503_BACKOFF": 0}


@contextmanager
def environment_of(emulator: Emulator, home: Path) -> Iterator[None]:
    """Set the variables that lead clients to the emulator, and a home of their own: the SDK keeps caches there."""
    wanted = {**emulator.environment, "HOME": str(home)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def import_sdk() -> None:
    """Import azureml-core, whose own modules warn of what they deprecate, and let it not wait between tries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in ("azureml.core.compute", "azureml.core.model", "azureml._run_impl.run_history_facade"):
            importlib.import_module(module)
    clientbase = importlib.import_module("azureml._restclient.clientbase")
    for name, seconds in BACKOFFS.items():
        setattr(clientbase, name, seconds)


def sign_in(emulator: Emulator) -> Any:
    """Credentials of the service principal."""
    from azureml.core.authentication import ServicePrincipalAuthentication

    given = emulator.environment
    return ServicePrincipalAuthentication(
        given["AZURE_TENANT_ID"], given["AZURE_CLIENT_ID"], given["AZURE_CLIENT_SECRET"]
    )


def open_workspace(emulator: Emulator, name: str | None = None) -> Any:
    from azureml.core import Workspace

    settings = emulator.settings
    return Workspace.get(
        name or settings.workspace,
        auth=sign_in(emulator),
        subscription_id=settings.subscription,
        resource_group=settings.group,
    )


def create_cluster(workspace: Any, name: str, **options: Any) -> Any:
    """A cluster that is there; `options` as AmlCompute.provisioning_configuration takes them."""
    from azureml.core.compute import AmlCompute, ComputeTarget

    configuration = AmlCompute.provisioning_configuration(**{"vm_size": "Standard_D4_v2", "max_nodes": 2, **options})
    cluster = ComputeTarget.create(workspace, name, configuration)
    until(lambda: _state(cluster) in ("Succeeded", "Failed"))
    return cluster


def _state(cluster: Any) -> str:
    cluster.refresh_state()
    return str(cluster.provisioning_state)


def until(holds: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Return once it holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"It did not come true in {seconds:g} s."
        time.sleep(0.05)
