"""A cluster that is there already: used where it is the one that is meant, and else left alone with one sentence."""

import hashlib

import pytest
from azure_ml_backend import compute_of
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS, until
from azure_ml_target_bench import emulator, no_faults

from retuner.compute.azure_ml_preflight import check_azure_ml
from retuner.compute.azure_ml_service import AzureMlService
from retuner.errors import UserError

__all__ = ["emulator", "no_faults"]

pytestmark = SDK_WARNINGS
NETWORK = {"vnet": "net", "subnet": "nodes"}


@pytest.fixture
def name(request):
    """A cluster for every test."""
    return f"c{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}"


@pytest.mark.parametrize(
    ("there", "asked", "words"),
    [
        ({"vm_size": "Standard_D2_v2"}, {}, "has nodes of Standard_D2_v2, not Standard_D4_v2: set compute.vm_size to"),
        ({"low_priority": True}, {}, "has low-priority nodes, not dedicated ones: set compute.low_priority to true,"),
        ({}, {"low_priority": True}, "has dedicated nodes, not low-priority ones: set compute.low_priority to false,"),
        ({}, NETWORK, "join no virtual network, not retuner/net/nodes: correct compute.vnet"),
        (NETWORK, {}, "join retuner/net/nodes, not no virtual network: correct compute.vnet"),
        (NETWORK, {**NETWORK, "vnet_resource_group": "hub"}, "join retuner/net/nodes, not hub/net/nodes"),
        (NETWORK, {**NETWORK, "subnet": "others"}, "join retuner/net/nodes, not retuner/net/others"),
    ],
)
def test_a_cluster_of_other_nodes_is_neither_used_nor_changed(emulator, name, there, asked, words):
    AzureMlService(compute_of(emulator, cluster=name, **there)).scale(0, 1)
    wanted = compute_of(emulator, cluster=name, **asked)
    service = AzureMlService(wanted)
    for step in (lambda: check_azure_ml(service, wanted, 4), lambda: service.scale(0, 4)):
        with pytest.raises(UserError, match=words) as caught:
            step()
        assert str(caught.value).endswith("or name another cluster in compute.cluster.")
    assert emulator.inspect(lambda service: service.clusters[name].maximum) == 1


@pytest.mark.parametrize("asked", [NETWORK, {"vnet": "NET", "subnet": "Nodes", "vnet_resource_group": "Retuner"}])
def test_names_of_networks_are_compared_as_azure_does(emulator, name, asked):
    AzureMlService(compute_of(emulator, cluster=name, **NETWORK)).scale(0, 1)
    wanted = compute_of(emulator, cluster=name, **asked)
    check_azure_ml(AzureMlService(wanted), wanted, 4)
    AzureMlService(wanted).scale(0, 4)
    assert emulator.inspect(lambda service: service.clusters[name].maximum) == 4


@pytest.mark.parametrize(
    ("access", "network", "is_open"),
    [
        ("Disabled", {}, False),
        ("Enabled", NETWORK, True),
        ("NotSpecified", NETWORK, False),
        ("NotSpecified", {}, True),
    ],
)
def test_nodes_that_the_internet_reaches_by_ssh_are_a_warning(emulator, name, caplog, access, network, is_open):
    wanted = compute_of(emulator, cluster=name, **network)
    service = AzureMlService(wanted)
    service.scale(0, 1)
    emulator.inspect(lambda service: service.clusters[name].extra.update(remoteLoginPortPublicAccess=access))
    check_azure_ml(service, wanted, 1)
    assert (f"{name} can be reached by SSH from the Internet" in caplog.text) == is_open


def test_the_cluster_that_trials_may_move_to_is_looked_at_too(emulator, name):
    wanted = compute_of(emulator, cluster=name, low_priority=True, dedicated_cluster=f"{name}-steady")
    service = AzureMlService(wanted)
    check_azure_ml(service, wanted, 4)
    AzureMlService(compute_of(emulator, cluster=f"{name}-steady", low_priority=True)).scale(0, 1)
    with pytest.raises(UserError, match="-steady has low-priority nodes, not dedicated ones: name another") as caught:
        check_azure_ml(service, wanted, 4)
    assert str(caught.value).endswith("compute.dedicated_cluster.")


def test_that_others_use_up_the_quota_is_told(emulator, name, caplog):
    wanted = compute_of(emulator, cluster=name)
    service = AzureMlService(wanted)
    service.scale(0, 4)
    AzureMlService(compute_of(emulator, cluster=f"{name}-others")).scale(1, 4)
    until(lambda: len(emulator.inspect(lambda service: service.clusters[f"{name}-others"].nodes)) == 1)
    cores = emulator.inspect(lambda service: service.quota.cores)
    try:
        emulator.inspect(lambda service: setattr(service.quota, "cores", 12))
        check_azure_ml(service, wanted, 1)
        assert "4 are available of the 12" in caplog.text
        assert "not one node can start at present" in caplog.text
    finally:
        emulator.inspect(lambda service: setattr(service.quota, "cores", cores))
        AzureMlService(compute_of(emulator, cluster=f"{name}-others")).keep(0)


@pytest.mark.parametrize(
    ("path", "words"),
    [("/usages$", "the quota is not checked"), ("/permissions$", "the identity's rights are not checked")],
)
def test_what_cannot_be_seen_is_told_as_not_checked(emulator, name, caplog, path, words):
    wanted = compute_of(emulator, cluster=name)
    emulator.faults.add(FaultRule("GET", path, FaultKind.FORBIDDEN, times=100))
    check_azure_ml(AzureMlService(wanted), wanted, 1)
    assert words in caplog.text


def test_dedicated_nodes_have_to_be_within_their_own_quota(emulator, name):
    wanted = compute_of(emulator, cluster=name, low_priority=True, dedicated_cluster=f"{name}-steady")
    service = AzureMlService(wanted)
    try:
        emulator.inspect(lambda service: setattr(service.quota, "dedicated_cores", 8))
        check_azure_ml(service, wanted, 4)  # one node is enough
        emulator.inspect(lambda service: setattr(service.quota, "dedicated_cores", 4))
        with pytest.raises(UserError, match=r"the quota 'Total Cluster Dedicated Regional vCPUs'"):
            check_azure_ml(service, wanted, 4)
    finally:
        emulator.inspect(lambda service: setattr(service.quota, "dedicated_cores", None))
