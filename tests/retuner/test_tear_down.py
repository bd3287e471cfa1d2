"""Tear-down against the emulated Resource Manager, through the real SDKs: nothing goes that others made."""

import json

import pytest
from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS, create_cluster, open_workspace
from provision_bench import azure, everything, make_all, tear_down, written

from retuner.azure_ml.marks import CREATED_BY, US
from retuner.errors import RetryableError, UserError
from retuner.provision.containers import containers_of_others
from retuner.provision.resources import WORKSPACE_API
from retuner.provision.tear_down import check_confirmation, demolish, survey

__all__ = ["azure"]
pytestmark = SDK_WARNINGS


def test_nothing_is_deleted_without_the_name(azure):
    emulator, site = azure(furnished=False)
    make_all(site)
    before = len(written(emulator))
    for confirm in ("", "yes", "Emulated"):
        with pytest.raises(UserError, match="Nothing was deleted") as caught:
            check_confirmation(site, confirm, survey(site))
    for words in (
        "workspace emulated, and with it cluster retuner",
        "storage account",
        "key vault",
        "--confirm emulated",
    ):
        assert words in str(caught.value)
    check_confirmation(site, "emulated", survey(site))
    assert len(written(emulator)) == before


def test_tear_down_leaves_nothing_of_ours_and_can_be_followed_by_a_new_start(azure):
    emulator, site = azure(furnished=False)
    make_all(site)
    plan = tear_down(site)
    assert not everything(emulator)
    assert plan.keep == ()
    assert emulator.inspect(lambda service: service.state.groups) == {}
    assert tear_down(site).delete == ()
    assert all(one.created for one in make_all(site)), "the vault that can be recovered is recovered"


def test_tear_down_goes_on_where_it_was_interrupted(azure):
    emulator, site = azure(furnished=False)
    make_all(site)
    emulator.faults.add(FaultRule("DELETE", "/vaults/", FaultKind.ERROR, times=4))
    with pytest.raises(RetryableError):
        tear_down(site)
    emulator.faults.clear()
    tear_down(site)
    assert not everything(emulator)


def test_a_workspace_with_things_of_others_stays_with_all_that_it_uses(azure):
    emulator, site = azure(furnished=False)
    make_all(site)
    create_cluster(open_workspace(emulator), "theirs")
    plan = tear_down(site)
    assert [one.title for one in plan.delete] == ["cluster retuner"]
    assert plan.keep[0].line.startswith("workspace emulated stays: it holds the compute targets theirs")
    assert len(everything(emulator)) == 6


@pytest.fixture
def own_container(azurite):
    """A container with a file in it, in the account that provisioning made; made and removed by hand."""
    made = []

    def make(name="retuner"):
        made.append(azurite.client().create_container(name))
        made[-1].upload_blob("datasets/precious.csv", b"1,2")
        return made[-1]

    yield make
    for container in made:
        if container.exists():
            container.delete_container()


def test_a_container_that_azure_ml_did_not_make_keeps_its_account_and_the_workspace(azure, own_container):
    emulator, site = azure(furnished=False)
    make_all(site)
    container = own_container()
    plan = tear_down(site)
    assert [one.title for one in plan.delete] == ["cluster retuner"]
    assert len(everything(emulator)) == 6
    assert container.download_blob("datasets/precious.csv").readall() == b"1,2"
    lines = {one.title.partition(" ")[0]: one.line for one in plan.keep}
    assert lines["workspace"].endswith("holds the containers retuner")
    assert lines["storage"].endswith(
        "stays: it holds the containers retuner, which Azure ML did not make: delete them, or let them be deleted "
        "with it: --delete-containers retuner"
    )


def test_such_a_container_goes_with_the_account_where_it_is_named_or_stands_no_more_in_the_way(azure, own_container):
    emulator, site = azure(furnished=False)
    make_all(site)
    container = own_container()
    assert "retuner" in survey(site, ["retuner"]).delete[-2].takes
    container.delete_container()
    tear_down(site)
    assert not everything(emulator)
    make_all(site)
    own_container("ours")
    assert [one.title for one in tear_down(site, ["retuner"]).delete] == ["cluster retuner"], "another one was named"
    tear_down(site, ["ours"])
    assert not everything(emulator)


def test_a_container_that_comes_after_the_survey_keeps_the_account(azure, own_container):
    _, site = azure(furnished=False)
    make_all(site)
    account = next(one for one in survey(site).delete if one.title.startswith("storage account"))
    own_container()
    with pytest.raises(UserError, match=r"was not deleted: the containers retuner came into it meanwhile"):
        demolish(site, account)
    assert site.manager.find(account.id, account.api_version)


def test_what_azure_writes_after_the_survey_and_an_answer_that_was_lost_keep_no_account(azure, own_container):
    _, site = azure(furnished=False)
    make_all(site)
    account = next(one for one in survey(site).delete if one.title.startswith("storage account"))
    own_container("insights-logs-auditevent")
    for _ in range(2):  # the second time it is gone already
        demolish(site, account)
    assert site.manager.find(account.id, account.api_version) is None


def test_an_account_whose_workspace_is_gone_stays_for_the_containers_of_others(azure, own_container):
    emulator, site = azure(furnished=False)
    make_all(site)
    own_container()
    site.manager.delete(site.name.scope, WORKSPACE_API)
    assert not any(one.title.startswith("storage") for one in tear_down(site).delete)
    assert [one["type"] for one in everything(emulator).values()] == ["Microsoft.Storage/storageAccounts"]


@pytest.mark.parametrize(
    ("workspace_id", "names", "others"),
    [
        ("1", ["azureml", "azureml-blobstore-1", "insights-logs-auditevent", "snapshots"], []),
        ("1", ["azureml-blobstore-1", "azureml-blobstore-2"], ["azureml-blobstore-2"]),
        (None, ["azureml-blobstore-1"], []),
        (None, ["azureml-blobstore-1", "azureml-blobstore-2"], ["azureml-blobstore-1", "azureml-blobstore-2"]),
        ("1", ["azureml-mine", "insights-logs-mine", "retuner"], ["azureml-mine", "insights-logs-mine", "retuner"]),
    ],
)
def test_only_what_the_workspace_made_is_its_own(workspace_id, names, others):
    assert containers_of_others(names, workspace_id=workspace_id) == others


def test_an_older_model_version_of_somebody_else_keeps_the_workspace(azure, tmp_path, monkeypatch):
    emulator, site = azure(furnished=False)
    make_all(site)
    from azureml.core.model import Model

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("theirs")
    for tags in ({}, {"retuner.key": "ours"}):
        Model.register(open_workspace(emulator), "model", "FAQ_ranker", tags=tags)
    plan = tear_down(site)
    assert plan.keep[0].line == (
        "workspace emulated stays: it holds the models FAQ_ranker version 1, which retuner did not make"
    )
    assert len(everything(emulator)) == 6


def test_a_mark_that_was_inherited_from_the_group_is_none(azure):
    emulator, site = azure()
    group = emulator.inspect(lambda service: service.state.groups["retuner"]["id"])

    def inherit(service):
        for one in service.state.resources.values():
            one["tags"] = {CREATED_BY: US, "retuner-mark": "of-the-group"}

    emulator.inspect(inherit)
    assert survey(site).delete == ()
    assert group


def test_the_journal_tells_what_was_made_and_deleted(azure):
    _, site = azure(furnished=False)
    make_all(site)
    tear_down(site)
    acts = [json.loads(line) for line in (site.settings.home / "azure.jsonl").read_text().splitlines()]
    made = [act["id"] for act in acts if act["act"] == "made"]
    deleted = [act["id"] for act in acts if act["act"] == "deleted"]
    assert len(made) == 8
    assert set(made) - set(deleted) == {f"{site.name.scope}/computes/retuner"}, "it goes with the workspace"
