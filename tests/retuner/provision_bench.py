"""What tests of provisioning, preflight and tear-down share: a site in the emulated Resource Manager."""

from contextlib import ExitStack

import pytest
from azure_ml_backend import compute_of
from azure_ml_emulator import BlobAccount, Emulator, Settings
from azure_ml_emulator.client import environment_of, import_sdk

from retuner.parameters.provision import AzureResources
from retuner.provision import create, resource_manager
from retuner.provision.create import make_cluster, make_group, make_plan, make_resource, make_workspace
from retuner.provision.site import open_site
from retuner.provision.tear_down import demolish, survey
from retuner.settings import read_settings

RESOURCES = AzureResources(location="westeurope")


@pytest.fixture
def azure(azurite, tmp_path, monkeypatch):
    """Starts an emulator with these settings; returns it and the site that the parameters name."""
    for module in (create, resource_manager):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr("retuner.compute.azure_ml_service.LOOK_SECONDS", 0.02)
    with ExitStack() as stack:

        def start(*, compute=None, **settings):
            account = BlobAccount(azurite.account_url, azurite.key)
            emulator = stack.enter_context(Emulator(account, Settings(provision_seconds=0.01, **settings)))
            stack.enter_context(environment_of(emulator, tmp_path))
            import_sdk()
            home = read_settings({"RETUNER_HOME": str(tmp_path / "home")})
            return emulator, open_site(compute_of(emulator, **{"max_nodes": 2, **(compute or {})}), home)

        yield start


def make_all(site, resources=RESOURCES):
    plan = make_plan(site, resources)
    pieces = [make_group(site, resources), *(make_resource(site, one) for one in plan.resources)]
    return [*pieces, make_workspace(site, resources, plan), make_cluster(site)]


def tear_down(site, delete_containers=()):
    plan = survey(site, delete_containers)
    for doomed in plan.delete:
        demolish(site, doomed)
    return plan


def written(emulator):
    """Requests that change something in Resource Manager."""
    return [
        request
        for request in emulator.record.requests()
        if request.method in ("PUT", "PATCH", "DELETE") and request.host == "management.azure.com"
    ]


def everything(emulator):
    return emulator.inspect(lambda service: dict(service.state.resources))
