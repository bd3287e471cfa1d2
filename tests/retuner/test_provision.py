"""Provisioning and preflight against the emulated Resource Manager, through the real SDKs."""

import pytest
from azure_ml_emulator import FaultKind, FaultRule, Settings
from azure_ml_emulator.client import SDK_WARNINGS, create_cluster, open_workspace
from provision_bench import RESOURCES, azure, everything, make_all, tear_down, written

from retuner.azure_ml.marks import CREATED_BY, US, is_ours
from retuner.errors import RetryableError, UserError
from retuner.parameters import BlobStorage
from retuner.provision.create import make_group, make_plan
from retuner.provision.preflight import has_failed, preflight
from retuner.provision.resources import group_id

__all__ = ["azure"]
pytestmark = SDK_WARNINGS


def test_an_empty_subscription_gets_a_workspace_with_all_that_it_needs(azure):
    emulator, site = azure(furnished=False)
    pieces = make_all(site)
    assert [one.created for one in pieces] == [True] * 8
    made = everything(emulator)
    account = next(one for one in made.values() if one["type"] == "Microsoft.Storage/storageAccounts")
    assert account["properties"]["minimumTlsVersion"] == "TLS1_2"
    assert account["properties"]["allowBlobPublicAccess"] is False
    workspace = made[site.name.scope.lower()]
    assert workspace["properties"]["storageAccount"] == account["id"]
    assert workspace["properties"]["hbiWorkspace"] is True
    assert all(is_ours(one["id"], one["tags"]) for one in made.values())
    cluster = emulator.inspect(lambda service: service.clusters["retuner"])
    assert (cluster.minimum, cluster.maximum) == (0, 2)
    assert not has_failed(preflight(site))


def test_made_again_it_changes_nothing(azure):
    emulator, site = azure(furnished=False)
    make_all(site)
    before = len(written(emulator))
    assert not any(one.created for one in make_all(site))
    assert len(written(emulator)) == before


def test_what_is_there_is_used_and_left_as_it_is(azure):
    emulator, site = azure()
    create_cluster(open_workspace(emulator), "retuner", max_nodes=7)
    assert not any(one.created for one in make_all(site))
    assert emulator.inspect(lambda service: service.clusters["retuner"].maximum) == 7
    assert tear_down(site).delete == ()


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ("/registries/", FaultKind.ERROR),
        ("/components/", FaultKind.RESET),
        ("/deployments/", FaultKind.FORBIDDEN),
        ("/computes/", FaultKind.FORBIDDEN),
    ],
)
def test_an_interrupted_provisioning_is_continued(azure, at, kind):
    emulator, site = azure(furnished=False)
    emulator.faults.add(FaultRule("PUT", at, kind, times=4))
    with pytest.raises((RetryableError, UserError)):
        make_all(site)
    emulator.faults.clear()
    pieces = make_all(site)
    assert any(one.created for one in pieces)
    assert not all(one.created for one in pieces)
    kinds = sorted(one["type"] for one in everything(emulator).values())
    assert len(kinds) == len(set(kinds)), "nothing was made twice"


def test_a_resource_that_goes_nowhere_is_not_called_made(azure):
    _, site = azure(furnished=False)  # no resource group
    account = f"{group_id(site.name)}/providers/Microsoft.Storage/storageAccounts/ourdata"
    with pytest.raises(UserError, match=r"ourdata cannot be made: .*check the names of subscription and resource g"):
        site.manager.create(account, "2023-05-01", {"location": "westeurope", "properties": {}})
    site.manager.delete(account, "2023-05-01")
    site.manager.delete_group(site.name.resource_group)


def test_a_given_storage_account_is_used_and_never_deleted(azure):
    emulator, site = azure(furnished=False)
    make_group(site, RESOURCES)
    own = f"/subscriptions/{site.name.subscription_id}/resourceGroups/retuner/providers"
    account = f"{own}/Microsoft.Storage/storageAccounts/ourdata"
    with pytest.raises(UserError, match=r"There is no storage account ourdata: correct resources.storage_account"):
        make_plan(site, RESOURCES.model_copy(update={"storage_account": account}))
    site.manager.create(account, "2023-05-01", {"location": "westeurope", "tags": {CREATED_BY: US}, "properties": {}})
    make_all(site, RESOURCES.model_copy(update={"storage_account": account}))
    plan = tear_down(site)
    assert list(everything(emulator)) == [account.lower()]
    assert plan.keep[-1].line == "resource group retuner stays: it also holds storageAccounts/ourdata"


@pytest.mark.parametrize(
    ("settings", "compute", "words"),
    [
        ({}, {"workspace": "a b"}, "a b is no name for a workspace: compute.workspace takes 3 to 33 letters"),
        ({}, {"resource_group": "ends."}, "ends. is no name for a resource group"),
        ({}, {"min_nodes": 3, "max_nodes": 2}, "cannot keep 3 nodes of at most 2"),
        ({}, {"vm_size": "Standard_Z9"}, "no VM size Standard_Z9"),
        ({"quota_cores": 8}, {"max_nodes": 2}, "2 nodes of STANDARD_D4_V2 need 16 vCPU"),
        ({"actions": ("*/read",)}, {}, "may not Microsoft.MachineLearningServices/workspaces/computes/write"),
        ({}, {"vnet": "net", "subnet": "nodes"}, "There is no subnet nodes in the network net"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(azure, settings, compute, words):
    emulator, site = azure(compute=compute, **settings)
    with pytest.raises(UserError, match=words):
        make_all(site)
    assert not written(emulator)


def test_an_identity_that_may_make_no_group_is_told_its_role(azure):
    emulator, site = azure(furnished=False, actions=("*/read",))
    with pytest.raises(
        UserError, match=r"resource group retuner cannot be made: .*give the identity the role 'Contrib"
    ):
        make_all(site)
    assert not everything(emulator)


def test_a_provider_that_is_not_registered_is_named_with_the_command(azure):
    emulator, site = azure(furnished=False)
    emulator.inspect(lambda service: service.state.unregistered.add("Microsoft.KeyVault"))
    with pytest.raises(UserError, match=r"az provider register --wait --namespace Microsoft.KeyVault"):
        make_plan(site, RESOURCES)
    assert not written(emulator)


def test_a_cluster_of_another_size_is_refused(azure):
    emulator, site = azure(compute={"vm_size": "Standard_D2_v2"})
    create_cluster(open_workspace(emulator), "retuner", vm_size="Standard_D4_v2")
    with pytest.raises(UserError, match=r"has nodes of Standard_D4_v2, not Standard_D2_v2"):
        make_plan(site, RESOURCES)


INSECURE = {
    "supportsHttpsTrafficOnly": False,
    "minimumTlsVersion": "TLS1_0",
    "allowBlobPublicAccess": True,
    "encryption": {},
}


def verdicts(site):
    found = {}
    for check in preflight(site):
        found.setdefault(check.subject, []).append(check.verdict.value)
    return found


def test_preflight_finds_what_is_insecure_and_says_what_to_do(azure):
    _, site = azure(storage=INSECURE, locks=("CanNotDelete",), data_actions=())
    found = {check.subject: check for check in preflight(site) if check.verdict.value == "fails"}
    assert set(found) == {"https", "tls", "public-access", "encryption-at-rest", "locks"}
    assert "az storage account update --name devstoreaccount1 --https-only true" in found["https"].message
    assert "minimumTlsVersion=TLS1_0" in found["tls"].message
    assert "the-CanNotDelete-lock (CanNotDelete)" in found["locks"].message


def test_a_field_that_is_missing_is_no_good_news(azure):
    _, site = azure(storage={"minimumTlsVersion": None, "allowBlobPublicAccess": None})
    found = verdicts(site)
    assert "fails" in found["tls"]
    assert "fails" in found["public-access"]


def test_preflight_never_calls_well_what_it_could_not_see(azure):
    emulator, site = azure()
    emulator.faults.add(
        FaultRule("GET", "/storageAccounts/devstoreaccount1$", FaultKind.FORBIDDEN, times=9),
        FaultRule("GET", "/permissions$", FaultKind.FORBIDDEN, times=9),
        FaultRule("GET", "/usages$", FaultKind.FORBIDDEN, times=9),
        FaultRule("GET", "/locks$", FaultKind.FORBIDDEN, times=9),
    )
    found = verdicts(site)
    assert found["storage-account"] == found["quota"] == found["locks"] == ["unseen"]
    assert set(found["roles"]) == {"unseen"}
    assert not {"https", "network"} & set(found)


def test_preflight_tells_missing_roles(azure):
    _, site = azure(
        actions=("*/read", "Microsoft.MachineLearningServices/workspaces/*"), not_actions=("*/computes/write",)
    )
    missing = next(check for check in preflight(site) if check.verdict.value == "fails" and check.subject == "roles")
    assert "give it the role 'AzureML Compute Operator'" in missing.message


def test_preflight_looks_at_the_account_of_the_data_too(azure):
    _, site = azure()
    kind = "Microsoft.Storage/storageAccounts"
    account = f"{group_id(site.name)}/providers/{kind}/ourdata"
    body = {"location": "westeurope", "properties": {"supportsHttpsTrafficOnly": False}}
    site.manager.create(account, "2023-05-01", body)
    storage = BlobStorage(container="retuner", account_url="https://ourdata.blob.core.windows.net")
    found = [check.message for check in preflight(site, storage) if check.verdict.value == "fails"]
    assert any(message.startswith("ourdata takes plain http too") for message in found)
    elsewhere = BlobStorage(container="retuner", account_url="https://theirs.blob.core.windows.net")
    unseen = [check.message for check in preflight(site, elsewhere) if check.subject == "storage-account"]
    assert unseen == ["The subscription shows no storage account theirs to this identity."]


SUBNET = "/subscriptions/{s}/resourceGroups/retuner/providers/Microsoft.Network/virtualNetworks/net/subnets/nodes"


@pytest.mark.parametrize(
    ("endpoints", "rules", "failed"),
    [
        (["Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.ContainerRegistry"], [SUBNET], []),
        (["Microsoft.Storage"], [SUBNET], ["lacks the service endpoints Microsoft.KeyVault"]),
        (["Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.ContainerRegistry"], [], ["not the subnet nodes"]),
    ],
)
def test_preflight_looks_at_the_nodes_network(azure, endpoints, rules, failed):
    subscription = Settings().subscription
    acls = {"defaultAction": "Deny", "virtualNetworkRules": [{"id": rule.format(s=subscription)} for rule in rules]}
    subnet = {"properties": {"serviceEndpoints": [{"service": one} for one in endpoints]}}
    _, site = azure(
        compute={"vnet": "net", "subnet": "nodes"}, subnets={"net/nodes": subnet}, storage={"networkAcls": acls}
    )
    found = [
        check.message for check in preflight(site) if check.subject == "network" and check.verdict.value == "fails"
    ]
    assert len(found) == len(failed)
    assert all(words in message for words, message in zip(failed, found, strict=True))


def test_preflight_without_a_workspace_says_how_to_get_one(azure):
    _, site = azure(furnished=False)
    with pytest.raises(UserError, match="There is no workspace emulated in retuner: make one with retune provision"):
        preflight(site)
