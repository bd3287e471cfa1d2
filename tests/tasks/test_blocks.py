"""The blocks: their form, and the plain credentials that come out of them."""

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_azure import AzureBlobStorageCredentials, AzureMlCredentials

from retuner.azure_ml.workspace import WorkspaceName
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, BlobStorage, DaskCompute, FolderStorage
from retuner.storage.credentials import ConnectionString, Identity, SasPair, ServicePrincipal
from tasks.blocks import RetunerBlobSas, credentials_in, load_azure_ml_identity, load_blob_credentials


def test_every_field_of_our_block_explains_itself():
    for name, field in RetunerBlobSas.model_fields.items():
        assert field.title, name
        assert field.description.endswith("."), name


def test_a_block_with_two_signatures_shows_neither():
    block = RetunerBlobSas(upload_sas="sig=secret", read_sas="sig=other")
    assert credentials_in(block) == SasPair("sig=secret", "sig=other")
    assert "secret" not in repr(block) + str(block) + block.model_dump_json()
    assert credentials_in(RetunerBlobSas(upload_sas="sig=secret")) == SasPair("sig=secret")


@pytest.mark.parametrize(
    ("fields", "credentials"),
    [
        ({"connection_string": "AccountName=a;AccountKey=b"}, ConnectionString("AccountName=a;AccountKey=b")),
        ({"account_url": "https://a.example"}, Identity("https://a.example")),
        (
            {"account_url": "https://a.example", "tenant_id": "t", "client_id": "c", "client_secret": "s"},
            Identity("https://a.example", ServicePrincipal("t", "c", "s")),
        ),
    ],
)
def test_prefect_azures_block_is_read_in_all_its_forms(fields, credentials):
    assert credentials_in(AzureBlobStorageCredentials(**fields)) == credentials


def test_no_block_is_needed_for_a_folder_or_this_machine_s_identity():
    assert load_blob_credentials(FolderStorage()) is None
    assert load_blob_credentials(BlobStorage(container="abc")) is None


def test_prefect_azures_block_signs_in_to_the_workspace_that_it_names(api):
    fields = {"tenant_id": "t", "service_principal_id": "c", "service_principal_password": "s"}
    place = {"subscription_id": "sub", "resource_group": "g", "workspace_name": "w"}
    with temporary_settings({PREFECT_API_URL: api}):
        AzureMlCredentials(**fields, **place).save("ours", overwrite=True)
        identity = load_azure_ml_identity(AzureMlCompute(credentials_block="azureml-credentials/ours"))
        with pytest.raises(UserError, match=r"azureml-credentials/other: make it .* correct compute.credentials_block"):
            load_azure_ml_identity(AzureMlCompute(credentials_block="azureml-credentials/other"))
    assert identity.principal == ServicePrincipal("t", "c", "s")
    assert identity.workspace == WorkspaceName("sub", "g", "w")
    assert "'s'" not in repr(identity)


def test_this_machine_s_identity_and_dask_need_no_block():
    assert load_azure_ml_identity(AzureMlCompute()) is None
    assert load_azure_ml_identity(DaskCompute()) is None


def test_a_block_of_another_type_is_a_user_error_with_the_known_ones():
    with pytest.raises(
        UserError, match="known types are retuner-blob-sas/<name> and azure-blob-storage-credentials/<name>"
    ):
        load_blob_credentials(BlobStorage(container="abc", block="secret/name"))
