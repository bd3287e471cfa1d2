"""Workspace, clusters, secrets and datastores, asked for by the real SDK."""

import pytest

from azure_ml_emulator.client import SDK_WARNINGS, create_cluster, open_workspace, until

pytestmark = SDK_WARNINGS


def test_a_service_principal_opens_the_workspace(workspace, emulator):
    assert workspace.location == emulator.settings.location
    assert workspace.get_details()["workspaceid"] == emulator.inspect(lambda service: service.workspace_id)


def test_an_unknown_workspace_is_not_found(emulator):
    from azureml.exceptions import ProjectSystemException

    with pytest.raises(ProjectSystemException, match="Workspace not found"):
        open_workspace(emulator, "elsewhere")


def test_a_wrong_password_opens_nothing(emulator):
    from azureml.core.authentication import ServicePrincipalAuthentication
    from azureml.exceptions import AzureMLException

    given = emulator.environment
    wrong = ServicePrincipalAuthentication(
        given["AZURE_TENANT_ID"], given["AZURE_CLIENT_ID"], "wrong", _enable_caching=False
    )
    with pytest.raises(AzureMLException, match="invalid client secret"):
        wrong.get_authentication_header()


def test_a_request_without_a_token_is_refused(emulator):
    import requests

    answer = requests.get(f"https://westeurope.api.azureml.ms/rp/workspaces{emulator.settings.scope}/computes")
    assert answer.status_code == 401


def test_a_route_that_is_not_emulated_says_so(emulator, workspace):
    import requests

    header = workspace._auth.get_authentication_header()
    answer = requests.get("https://westeurope.api.azureml.ms/pipelines/v1.0/anything", headers=header)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotEmulated")


def test_a_cluster_keeps_what_it_was_made_with(workspace):
    cluster = create_cluster(
        workspace,
        "private",
        vm_priority="lowpriority",
        idle_seconds_before_scaledown=90,
        remote_login_port_public_access="Disabled",
        vnet_resourcegroup_name="group",
        vnet_name="net",
        subnet_name="nodes",
    )
    found = workspace.compute_targets["private"]
    assert (found.vm_size, found.vm_priority) == ("Standard_D4_v2", "lowpriority")
    assert found.scale_settings.idle_seconds_before_scaledown == 90
    assert found.serialize()["properties"]["properties"]["subnet"]["id"].endswith("/virtualNetworks/net/subnets/nodes")
    cluster.delete()
    until(lambda: "private" not in workspace.compute_targets)


def test_nodes_follow_the_minimum_of_the_scale(workspace):
    cluster = create_cluster(workspace, "scaled")
    assert cluster.get_status().current_node_count == 0
    cluster.update(min_nodes=2, max_nodes=3)
    until(lambda: cluster.get_status().node_state_counts.idle_node_count == 2)
    assert {node["nodeState"] for node in cluster.list_nodes()} == {"idle"}
    cluster.update(min_nodes=0, max_nodes=3, idle_seconds_before_scaledown=1)
    until(lambda: cluster.get_status().current_node_count == 0)


def test_a_minimum_above_the_maximum_is_refused(workspace, cluster):
    from azureml.exceptions import ComputeTargetException

    with pytest.raises(ComputeTargetException, match="minNodeCount 4 is not between 0 and maxNodeCount 2"):
        cluster.update(min_nodes=4, max_nodes=2)


def test_an_unknown_vm_size_is_refused(workspace):
    from azureml.exceptions import ComputeTargetException

    with pytest.raises(ComputeTargetException, match="Standard_Z9 is not supported"):
        create_cluster(workspace, "odd", vm_size="Standard_Z9")


def test_the_quota_holds_the_nodes_back(workspace, emulator):
    from azureml.core.compute import AmlCompute

    cores = emulator.settings.quota_cores
    cluster = create_cluster(workspace, "large", min_nodes=cores // 8 + 1, max_nodes=cores // 8 + 1)
    assert cluster.provisioning_state == "Failed"
    assert "exceeds the core quota" in str(cluster.provisioning_errors)
    assert AmlCompute.list_usages(workspace)[0]["limit"] == cores
    cluster.delete()


def test_secrets_are_written_read_and_deleted(workspace):
    vault = workspace.get_default_keyvault()
    vault.set_secret("study-read-sas", "sv=2023&sig=abc")
    assert vault.get_secret("study-read-sas") == "sv=2023&sig=abc"
    assert {"name": "study-read-sas"} in vault.list_secrets()
    vault.set_secrets({"other": "1"})
    assert vault.get_secrets(["other", "missing"]) == {"other": "1", "missing": None}
    vault.delete_secret("study-read-sas")
    with pytest.raises(Exception, match="study-read-sas was not found"):
        vault.get_secret("study-read-sas")
    with pytest.raises(Exception, match="deleted but recoverable"):
        vault.set_secret("study-read-sas", "1")
    with pytest.raises(Exception, match="invalid name"):
        vault.set_secret("study_read_sas", "1")


def test_the_default_datastore_takes_files_and_gives_them_back(workspace, tmp_path):
    (tmp_path / "data.txt").write_text("some data")
    store = workspace.get_default_datastore()
    store.upload_files([str(tmp_path / "data.txt")], target_path="in", show_progress=False)
    assert store.download(str(tmp_path / "back"), prefix="in", show_progress=False) == 1
    assert (tmp_path / "back" / "in" / "data.txt").read_text() == "some data"


def test_a_container_is_registered_with_a_sas(workspace, azurite):
    from azureml.core import Datastore

    container = azurite.new_container()
    sas = azurite.sas(container, "rl")
    Datastore.register_azure_blob_container(workspace, "data", container, "devstoreaccount1", sas_token=sas)
    found = Datastore.get(workspace, "data")
    assert (found.container_name, found.sas_token, found.endpoint) == (container, sas, "core.windows.net")
    assert set(workspace.datastores) >= {"data", "workspaceblobstore"}
