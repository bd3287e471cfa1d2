"""What is asked of Azure ML, without it."""

import json
import re

import pytest

from retuner.compute.azure_ml_environment import FOLDER, LOCK, install_line, node_environment
from retuner.compute.azure_ml_requests import (
    LONGEST_SECONDS,
    SECRET_NAMES,
    RunReport,
    check_nodes,
    cluster_request,
    diagnosis,
    job_of_arguments,
    run_request,
    secret_name,
    secret_prefix,
    state_of,
    study_of,
)
from retuner.compute.target import JobState
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute
from retuner_training.job import Job

PLACE = {"subscription_id": "s", "resource_group": "g", "workspace": "w"}
JOB = Job("faq-1-t0007-a1", "faq-1", "faq_ranker", {"trees": 10}, "https://a/d", "https://a/o", seconds=100.5)


def test_every_submission_has_a_maximum_duration():
    assert run_request(JOB, {}).max_seconds == 101 + 1800
    unlimited = Job(**{**JOB.to_dict(), "seconds": None})
    assert run_request(unlimited, {}).max_seconds == LONGEST_SECONDS


def test_the_job_travels_in_the_arguments_and_is_read_back():
    assert job_of_arguments(run_request(JOB, {}).arguments) == JOB
    assert job_of_arguments(["--other", "x"]) is None
    assert job_of_arguments(["--job"]) is None


def test_a_run_is_told_the_names_of_its_secrets_and_never_a_secret():
    request = run_request(JOB, {"RETUNER_READ_SAS": "faq-1-retuner-read-sas"})
    assert json.loads(request.environment_variables[SECRET_NAMES]) == {"RETUNER_READ_SAS": "faq-1-retuner-read-sas"}
    assert "sig=" not in repr(request)


def test_names_of_secrets_hold_what_the_key_vault_takes():
    name = secret_name("FAQ_ranker-1a2b-1", "RETUNER_READ_SAS", "0f")
    assert re.fullmatch("faq-ranker-1a2b-1-[0-9a-f]{8}-retuner-read-sas-0f", name)
    assert re.fullmatch("[0-9a-z-]{1,127}", secret_name(f"{'Ä_' * 90}-1a2b-1", "RETUNER_UPLOAD_SAS", "01234567"))


@pytest.mark.parametrize("other", ["faq_ranker-1a-1", "faq-ranker-1a-11", f"faq-ranker-1a-1{'0' * 100}"])
def test_secrets_of_studies_with_similar_names_are_told_apart(other):
    assert not secret_name(other, "RETUNER_READ_SAS", "0f").startswith(secret_prefix("faq-ranker-1a-1"))


@pytest.mark.parametrize("name", ["faq-1a-2-t0007-a1", "faq-1a-2-final-t0007-a3"])
def test_the_study_is_found_in_a_jobs_name(name):
    assert study_of(name) == "faq-1a-2"


def test_a_cluster_has_its_size_closed_ssh_and_no_nodes_while_idle():
    asked = cluster_request(AzureMlCompute(**PLACE))
    assert asked["vm_size"] == "Standard_D4_v2"
    assert asked["remote_login_port_public_access"] == "Disabled"
    assert (asked["min_nodes"], asked["idle_seconds_before_scaledown"]) == (0, 120)
    assert "vnet_name" not in asked


def test_a_network_comes_whole_and_without_public_addresses():
    asked = cluster_request(AzureMlCompute(**PLACE, vnet="net", subnet="nodes", low_priority=True))
    assert (asked["vnet_resourcegroup_name"], asked["vnet_name"], asked["subnet_name"]) == ("g", "net", "nodes")
    assert asked["enable_node_public_ip"] is False
    assert asked["vm_priority"] == "lowpriority"


def test_a_minimum_above_the_maximum_is_refused():
    with pytest.raises(UserError, match="cannot keep 3 nodes of at most 2"):
        check_nodes(3, 2, AzureMlCompute(**PLACE))


@pytest.mark.parametrize(
    ("status", "error", "cancelled", "expected"),
    [
        ("NotStarted", "", False, JobState.QUEUED),
        ("Preparing", "", False, JobState.QUEUED),
        ("Running", "", False, JobState.RUNNING),
        ("CancelRequested", "", True, JobState.RUNNING),
        ("Canceled", "", True, JobState.STOPPED),
        ("Failed", "PreemptionError: the node was preempted", False, JobState.LOST),
        (
            "Failed",
            "UserError: AzureMLCompute job failed. JobFailed: the submitted script failed",
            False,
            JobState.LOST,
        ),
        ("Failed", "UserError: ImageBuildFailed", False, JobState.FAILED),
        ("Completed", "", False, JobState.FAILED),
        ("SomethingNew", "", False, JobState.FAILED),
    ],
)
def test_a_run_without_a_result_is(status, error, cancelled, expected):
    assert state_of(RunReport("n", status, error), cancelled=cancelled)[0] is expected


def test_who_ended_a_run_is_told_apart():
    def why(error, cancelled):
        return state_of(RunReport("n", "Canceled", error), cancelled=cancelled)[1]

    assert why("", True) == "asked"
    assert why("UserError: it took longer than its maximum duration", False) == "timeout"
    assert why("", False) == "cancelled outside of retuner (no reason was given)"


def test_a_long_wait_is_explained():
    words = diagnosis(RunReport("n", "Queued"), 61.2, "cpu", "ClusterMinNodesExceedCoreQuota")
    assert "Queued for 61.2 minutes" in words
    assert "ClusterMinNodesExceedCoreQuota" in words
    assert "quota" in words


def test_the_environment_is_named_by_its_content(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.11\n")
    (tmp_path / "requirements.txt").write_text("# made\na==1\nb==2  # why\n")
    first = node_environment(None, tmp_path)
    assert first.dockerfile == "FROM python:3.11\nRUN pip install --no-cache-dir --no-deps 'a==1' 'b==2'\n"
    (tmp_path / "requirements.txt").write_text("a==1\nb==3\n")
    assert node_environment(None, tmp_path).name != first.name
    assert node_environment("registry/image:1").image == "registry/image:1"


def test_a_missing_environment_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot be read from .* name an image in compute.image"):
        node_environment(None, tmp_path / "nowhere")


def test_the_nodes_lock_pins_what_the_training_imports():
    line = node_environment(None).dockerfile
    for package in ("azureml-core==", "lightgbm==", "scikit-learn==", "pandas==", "pyarrow==", "threadpoolctl=="):
        assert f"'{package}" in line
    assert install_line("") == "RUN pip install --no-cache-dir --no-deps "


def test_nodes_have_the_versions_of_the_installation():
    nodes = (FOLDER / LOCK).read_text().splitlines()
    here = set((FOLDER.parents[1] / "requirements.txt").read_text().splitlines())
    assert [line for line in nodes if line and not line.lstrip().startswith("#") and line not in here] == []
