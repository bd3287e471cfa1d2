"""What is asked before anything is created: rights, quota, and which workspace is meant. Decided without Azure."""

import pytest
from azure_roles import BUILT_IN

from retuner.azure_ml.identity import AzureMlIdentity, name_workspaces, workspace_of
from retuner.azure_ml.region import Permission, Quota, VmSize
from retuner.azure_ml.workspace import WorkspaceName
from retuner.compute.azure_ml_preflight import SUBMIT, WRITE_CLUSTER, check_quota, check_rights
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, AzureMlRegistry
from retuner.parameters.values import parse_parameters

PLACE = {"subscription_id": "s", "resource_group": "g", "workspace": "w"}
D4 = VmSize("Standard_D4_v2", 8, "standardDv2Family")
EVERYTHING = Permission(("*",))
DATA_SCIENTIST = Permission(*BUILT_IN["AzureML Data Scientist"])
OPERATOR = Permission(*BUILT_IN["AzureML Compute Operator"])


def quota(limit: int, used: int = 0, name: str = D4.family) -> Quota:
    return Quota(name, limit, used)


@pytest.mark.parametrize("permissions", [[EVERYTHING], [DATA_SCIENTIST, OPERATOR], []])
def test_rights_that_suffice_or_cannot_be_seen_stop_nobody(permissions):
    check_rights(permissions, [SUBMIT, WRITE_CLUSTER])


@pytest.mark.parametrize(
    ("permissions", "role"),
    [([DATA_SCIENTIST], "AzureML Compute Operator"), ([OPERATOR], "AzureML Data Scientist")],
)
def test_the_missing_role_is_named(permissions, role):
    with pytest.raises(UserError, match=f"give it the role '{role}' on the workspace"):
        check_rights(permissions, [SUBMIT, WRITE_CLUSTER])


def test_a_data_scientist_may_use_a_cluster_and_neither_make_nor_delete_one():
    assert DATA_SCIENTIST.allows(SUBMIT)
    assert DATA_SCIENTIST.allows("Microsoft.MachineLearningServices/workspaces/computes/read")
    assert not DATA_SCIENTIST.allows(WRITE_CLUSTER)
    assert not DATA_SCIENTIST.allows("Microsoft.MachineLearningServices/workspaces/computes/delete")


def test_an_exception_of_one_role_does_not_take_away_what_another_gives():
    check_rights([DATA_SCIENTIST, Permission((WRITE_CLUSTER,))], [WRITE_CLUSTER])


def test_a_quota_that_is_too_small_is_told_in_vcpu():
    with pytest.raises(UserError) as caught:
        check_quota([quota(24, 8)], D4, AzureMlCompute(**PLACE), nodes=4)
    words = str(caught.value)
    assert "4 nodes of Standard_D4_v2 need 32 vCPU" in words
    assert "16 are available of the 24 of the quota" in words
    assert "set compute.max_nodes to 3" in words


def test_a_quota_below_one_node_wants_a_smaller_size():
    with pytest.raises(UserError, match=r"choose a smaller compute\.vm_size"):
        check_quota([quota(4)], D4, AzureMlCompute(**PLACE), nodes=1)


def test_a_quota_that_others_use_at_present_is_a_warning(caplog):
    check_quota([quota(32, 16)], D4, AzureMlCompute(**PLACE), nodes=4)
    assert "fewer nodes can start at present" in caplog.text


def test_a_quota_of_which_not_one_node_is_free_is_told_so(caplog):
    check_quota([quota(32, 28)], D4, AzureMlCompute(**PLACE), nodes=4)
    assert "4 nodes of Standard_D4_v2 need 32 vCPU, and 4 are available of the 32 of the quota" in caplog.text
    assert "not one node can start at present" in caplog.text


def test_one_node_that_the_cluster_holds_is_enough_to_begin_with(caplog):
    check_quota([quota(32, 32)], D4, AzureMlCompute(**PLACE), nodes=4, own=8)
    assert "fewer nodes can start at present" in caplog.text


def test_what_the_cluster_holds_already_is_available_to_it(caplog):
    check_quota([quota(32, 32)], D4, AzureMlCompute(**PLACE), nodes=4, own=32)
    assert caplog.text == ""


def test_low_priority_nodes_have_a_quota_of_their_own():
    low = quota(8, name="Total Cluster LowPriority Regional vCPUs")
    check_quota([quota(100), low], D4, AzureMlCompute(**PLACE), nodes=4)
    with pytest.raises(UserError, match="LowPriority"):
        check_quota([quota(100), low], D4, AzureMlCompute(**PLACE, low_priority=True), nodes=4)


def test_the_block_names_the_workspace_and_the_compute_target_the_registrys():
    parameters = parse_parameters(
        {"compute": {"target": "azure_ml", "max_nodes": 2}, "registry": {"kind": "azure_ml", "workspace": "models"}}
    )
    named = name_workspaces(parameters, AzureMlIdentity(workspace=WorkspaceName("s", "g", "w")))
    assert workspace_of(named.compute) == WorkspaceName("s", "g", "w")
    assert workspace_of(named.registry) == WorkspaceName("s", "g", "models")
    assert named.compute.max_nodes == 2


def test_a_block_for_another_workspace_is_refused():
    parameters = parse_parameters({"compute": {**PLACE, "credentials_block": "azureml-credentials/ours"}})
    identity = AzureMlIdentity(workspace=WorkspaceName("s", "g", "other"))
    with pytest.raises(
        UserError, match=r"compute\.workspace is w, and the block azureml-credentials/ours is for other"
    ):
        name_workspaces(parameters, identity)


def test_upper_and_lower_case_are_the_same_to_azure():
    name_workspaces(parse_parameters({"compute": PLACE}), AzureMlIdentity(workspace=WorkspaceName("S", "G", "W")))


@pytest.mark.parametrize(
    ("parameters", "missing"),
    [
        (AzureMlCompute(workspace="w"), "compute.subscription_id, compute.resource_group"),
        (AzureMlRegistry(subscription_id="s", resource_group="g"), "registry.workspace"),
    ],
)
def test_what_is_missing_of_a_name_is_told(parameters, missing):
    with pytest.raises(UserError, match=f"set {missing}"):
        workspace_of(parameters)
