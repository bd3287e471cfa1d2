"""Every fault reaches the real SDK as the real one would, and no more often than its rule says."""

import os
from pathlib import Path

import pytest
import requests

from azure_ml_emulator import FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS, create_cluster, open_workspace, until

pytestmark = SDK_WARNINGS
SUBMIT, RUN_STATE, CLUSTER = "snapshotrun$", "/runs/[^/]+$", "/computes/"
SLEEP = "import time\ntime.sleep(600)\n"
LOG = """
from azureml.core import Run
run = Run.get_context()
run.log("gain", 0.5)
run.flush()
"""


@pytest.fixture
def submit(workspace, cluster, tmp_path):
    from azureml.core import Environment, Experiment, ScriptRunConfig

    environment = Environment("plain")
    environment.python.user_managed_dependencies = True
    experiment, here = Experiment(workspace, "faults"), Path.cwd()

    def start(name: str, code: str = SLEEP):
        (tmp_path / "job.py").write_text(code)
        config = ScriptRunConfig(str(tmp_path), "job.py", compute_target="cpu", environment=environment)
        return experiment.submit(config, run_id=name)

    yield start
    os.chdir(here)


@pytest.fixture
def run(submit, request):
    """A run that is Running and will not end by itself; cancelled after the test."""
    run = submit(request.node.name.replace("_", "-")[:60])
    until(lambda: run.get_status() == "Running")
    yield run
    run.cancel()


def statuses(emulator, method: str, pattern: str, since: float) -> list[int]:
    """Of the requests of this kind after `since`, in order."""
    return [request.status for request in emulator.record.requests(method, pattern) if request.at >= since]


def jobs_of(emulator, cluster: str) -> list[str]:
    """The runs that wait for the cluster or are on it."""

    def look(service) -> list[str]:
        found = service.clusters[cluster]
        return [run.id for run in found.queue] + [node.run.id for node in found.nodes if node.run is not None]

    return emulator.inspect(look)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(FaultKind.THROTTLED, 429), (FaultKind.ERROR, 500), (FaultKind.UNAVAILABLE, 503), (FaultKind.RESET, 0)],
)
def test_the_sdk_tries_again_after_one_fault(rules, workspace, kind, status):
    since = rules.record.now()
    rules.faults.add(FaultRule("GET", f"{CLUSTER}|/computes$", kind, seconds=0))
    assert workspace.compute_targets is not None
    assert statuses(rules, "GET", "/computes$", since)[:2] == [status, 200]


def test_retry_after_is_sent_and_obeyed(rules, run):
    since = rules.record.now()
    rules.faults.add(FaultRule("GET", "/details$", FaultKind.THROTTLED, seconds=1))
    assert run.get_details()["status"] == "Running"
    first, second = [r for r in rules.record.requests("GET", "/details$") if r.at >= since]
    assert (first.status, first.fault, second.status) == (429, "throttled", 200)
    assert second.at - first.at >= 1


def test_a_fault_for_ever_reaches_the_caller(rules, workspace):
    from azureml.exceptions import ComputeTargetException

    since = rules.record.now()
    rules.faults.add(FaultRule("GET", "/computes$", FaultKind.ERROR, times=1000))
    with pytest.raises(ComputeTargetException, match="An internal error occurred"):
        _ = workspace.compute_targets
    assert statuses(rules, "GET", "/computes$", since) == [500] * 4


def test_a_missing_role_is_not_tried_again(rules, run):
    from azureml.exceptions import UserErrorException

    since = rules.record.now()
    rules.faults.add(FaultRule("GET", "/details$", FaultKind.FORBIDDEN, times=1000))
    with pytest.raises(UserErrorException, match="not authorized"):
        run.get_details()
    assert statuses(rules, "GET", "/details$", since) == [403]


def test_a_submission_whose_answer_is_lost_is_sent_again_and_is_one_job(rules, submit):
    since = rules.record.now()
    rules.faults.add(FaultRule("POST", SUBMIT, FaultKind.RESET, applied=True))
    run = submit("answer-lost")
    assert statuses(rules, "POST", SUBMIT, since) == [0, 200]
    assert jobs_of(rules, "cpu").count(run.id) == 1
    run.cancel()
    until(lambda: run.get_status() == "Canceled")


def test_a_slow_answer_comes_whole(rules, run):
    rules.faults.add(FaultRule("GET", "/details$", FaultKind.SLOW, seconds=0.5))
    assert run.get_details()["status"] == "Running"
    assert rules.record.requests("GET", "/details$")[-1].seconds >= 0.5


def test_a_request_that_hangs_ends_with_the_callers_patience(rules, workspace):
    rules.faults.add(FaultRule("GET", "/computes$", FaultKind.HANG))
    address = f"https://westeurope.api.azureml.ms/rp/workspaces{rules.settings.scope}/computes"
    header = workspace._auth.get_authentication_header()
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(address, headers=header, timeout=0.5)
    until(lambda: rules.record.requests("GET", "/computes$")[-1].status == 0)
    assert requests.get(address, headers=header, timeout=10).status_code == 200


def test_the_sdk_keeps_an_expired_token_where_a_new_sign_in_helps(rules):
    from azureml.core.authentication import ServicePrincipalAuthentication

    workspace = open_workspace(rules)
    rules.faults.add(FaultRule("GET", "/computes$", FaultKind.EXPIRED))
    for _ in range(2):
        with pytest.raises(Exception, match="ExpiredAuthenticationToken"):
            _ = workspace.compute_targets
    given = rules.environment
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    anew = ServicePrincipalAuthentication(*(given[name] for name in names), _enable_caching=False)
    address = f"https://westeurope.api.azureml.ms/rp/workspaces{rules.settings.scope}/computes"
    assert requests.get(address, headers=anew.get_authentication_header()).status_code == 200


def test_late_metrics_come_after_the_run_has_ended(rules, submit):
    rules.faults.add(FaultRule("POST", "/metric/.*/batch$", FaultKind.LATE_METRICS, seconds=3))
    run = submit("late", LOG)
    until(lambda: run.get_status() == "Completed")
    assert run.get_metrics() == {}
    until(lambda: run.get_metrics() == {"gain": 0.5})


def test_a_lost_run_was_accepted_and_is_known_to_nobody(rules, submit):
    from azureml._restclient.exceptions import ServiceException

    rules.faults.add(FaultRule("POST", SUBMIT, FaultKind.LOST_RUN, seconds=0.5))
    run = submit("lost")
    until(lambda: rules.run("lost").lost)
    with pytest.raises(ServiceException, match="Run lost was not found"):
        run.get_status()
    assert rules.run("lost").status == "Canceled", "its work ended with it"


def test_a_stuck_run_stays_queued_until_it_is_cancelled(rules, submit, cluster):
    rules.faults.add(FaultRule("POST", SUBMIT, FaultKind.STUCK))
    run = submit("stuck")
    other = submit("not-stuck", "print()")
    until(lambda: other.get_status() == "Completed")
    assert run.get_status() == "Queued"
    run.cancel()
    until(lambda: run.get_status() == "Canceled")


def test_a_preempted_run_fails_and_is_not_started_again(rules, submit):
    rules.faults.add(FaultRule("POST", SUBMIT, FaultKind.PREEMPTED, seconds=0.3))
    run = submit("preempted")
    until(lambda: run.get_status() == "Failed")
    assert run.get_details()["error"]["error"]["code"] == "PreemptionError"
    next_run = submit("after-preemption", "print()")
    until(lambda: next_run.get_status() == "Completed")


def test_a_running_job_is_preempted_by_hand(rules, run):
    rules.preempt(run.id)
    until(lambda: run.get_status() == "Failed")
    assert run.get_details()["error"]["error"]["code"] == "PreemptionError"


def test_a_failed_image_build_fails_the_run_that_wants_it(rules, submit):
    rules.faults.add(FaultRule("POST", SUBMIT, FaultKind.IMAGE_BUILD))
    run = submit("no-image")
    until(lambda: run.get_status() == "Failed")
    assert "ImageBuildFailed" in run.get_details()["error"]["error"]["message"]


def test_a_failed_image_build_is_told_by_the_build(rules, workspace):
    from azureml.core import Environment

    rules.faults.add(FaultRule("POST", "/image$", FaultKind.IMAGE_BUILD))
    environment = Environment("broken").register(workspace)
    build = environment.build(workspace)
    until(lambda: build.status == "Failed")
    again = environment.build(workspace)
    until(lambda: again.status == "Succeeded")


def test_a_cluster_beyond_the_quota_is_not_provisioned(rules, workspace):
    rules.faults.add(FaultRule("PUT", CLUSTER, FaultKind.QUOTA))
    cluster = create_cluster(workspace, "unlucky")
    assert cluster.provisioning_state == "Failed"
    cluster.delete()


def test_a_scale_beyond_the_quota_is_refused(rules, cluster):
    from azureml.exceptions import ComputeTargetException

    rules.faults.add(FaultRule("PATCH", CLUSTER, FaultKind.QUOTA))
    with pytest.raises(ComputeTargetException, match="ClusterMinNodesExceedCoreQuota"):
        cluster.update(min_nodes=0, max_nodes=2)


def test_faults_reach_the_blobs_too(rules, azurite):
    container = azurite.new_container()
    rules.faults.add(FaultRule("PUT", f"^/{container}/", FaultKind.UNAVAILABLE))
    address = f"https://devstoreaccount1.blob.core.windows.net/{container}/a?{azurite.sas(container, 'w')}"
    put = [requests.put(address, data=b"1", headers={"x-ms-blob-type": "BlockBlob"}).status_code for _ in range(2)]
    assert put == [503, 201]


def test_rules_skip_count_and_clear(rules):
    rules.faults.add(FaultRule("GET", "^/a", FaultKind.ERROR, times=2, after=1))
    met = [rules.faults.meet("GET", "/a/b") is not None for _ in range(5)]
    assert met == [False, True, True, False, False]
    assert rules.faults.meet("POST", "/a/b") is None
    rules.faults.add(FaultRule("*", "", FaultKind.ERROR))
    rules.faults.clear()
    assert rules.faults.meet("GET", "/a/b") is None


def test_tokens_end_by_themselves(rules):
    def issue(service):
        return service.tokens.issue("someone", "anything", -301), service.tokens.issue("someone", "anything", 60)

    over, good = rules.inspect(issue)
    address = "https://management.azure.com/subscriptions"
    codes = [requests.get(address, headers={"Authorization": f"Bearer {token}"}).status_code for token in (over, good)]
    assert codes == [401, 200]
