"""A study on an emulated workspace with each fault at each kind of request: it ends right, or says what to do.

`make test` takes a few of the requests, `make faults` all. The table of requests is complete: a test says so.
"""

import re
from contextlib import nullcontext
from dataclasses import asdict

import pytest
from azure_bench import TRAINING, assert_cleaned_up, assert_given_back, emulator, impatience, jobs, study
from azure_ml_emulator import BlobAccount, Emulator, FaultKind, FaultRule, Settings
from azure_ml_emulator.client import SDK_WARNINGS, environment_of
from azure_study import PACE, AzureStudy, new_store, play
from what_holds import shortened

from retuner.compute import azure_ml_service
from retuner.cost.limits import rates
from retuner.cost.prices import Price
from retuner.cost.spending import study_bill
from retuner.errors import RetryableError, UserError
from retuner.search.entries import RATES
from retuner.search.records import best_trial, now
from retuner.search.states import TrialState
from retuner_training import blob_http

__all__ = ["emulator", "impatience", "study"]
pytestmark = SDK_WARNINGS
RUN = "/runs/[^/:]+"
REQUESTS = {
    "sign-in page": ("GET", "openid-configuration$"),
    "sign in": ("POST", "/oauth2/v2.0/token$"),
    "subscriptions": ("GET", "^/+subscriptions$"),
    "workspace": ("GET", "/workspaces/emulated$"),
    "discovery": ("GET", "^/+discovery"),
    "rights": ("GET", "/permissions$"),
    "VM sizes": ("GET", "/vmSizes$"),
    "quota": ("GET", "/usages$"),
    "clusters": ("GET", "/computes$"),
    "cluster": ("GET", "/rp/.*/computes/retuner$"),
    "create cluster": ("PUT", "/computes/retuner$"),
    "scale back": ("PATCH", "/computes/retuner$"),
    "register environment": ("PUT", "/environments/"),
    "image": ("GET", "/versions/1/image$"),
    "build image": ("POST", "/versions/1/image$"),
    "image build": ("GET", "/imagebuilds/"),
    "find experiment": ("GET", "/experiments/[^/]+$"),
    "make experiment": ("POST", "/experiments/[^/:]+$"),
    "list runs": ("POST", "/runs:query$"),
    "read metrics": ("POST", "/metrics:query$"),
    "read run": ("GET", f"{RUN}$"),
    "write parent run": ("PATCH", f"{RUN}-[0-9]+$"),
    "write run": ("PATCH", f"{RUN}-a1$"),
    "wait for metrics": ("GET", "/metricsingest/wait$"),
    "event of a run": ("POST", "/events$"),
    "write secret": ("PUT", "/secrets$"),
    "list secrets": ("GET", "/secrets$"),
    "delete secret": ("DELETE", "/secrets/"),
    "last snapshot": ("GET", "/snapshots/latest/metadata$"),
    "place of the snapshot": ("POST", "/snapshots/getblob$"),
    "file of the snapshot": ("*", "^/+snapshots/"),
    "snapshot": ("POST", "/snapshots/[0-9a-f-]{36}$"),
    "submission": ("POST", "/snapshotrun$"),
    "result": ("GET", "/jobs/.*/result.json$"),
    "file of the model": ("GET", "/jobs/.*/(model.joblib|seen.parquet)$"),
}
"""Method and path of everything that a study asks."""
SHORT = ("sign in", "cluster", "list runs", "submission", "result", "scale back")
CHOSEN = shortened(REQUESTS, SHORT)
BROKEN = {
    "refused": (FaultKind.THROTTLED, FaultKind.ERROR, FaultKind.UNAVAILABLE),
    "silent": (FaultKind.RESET, FaultKind.HANG, FaultKind.SLOW),
    "token": (FaultKind.EXPIRED,),
}
"""One after the other, at the first request and at those that follow it."""
SECONDS = {FaultKind.SLOW: 1.0}
"""An answer that late is told from one at once, and is waited for."""
WITHOUT_TOKEN = ("sign-in page",)
"""Everybody may read it, so that no token can be refused there: a refusal is a tenant that does not exist."""
PASSING = [(name, kind) for name in REQUESTS for kind in BROKEN if kind != "token" or name not in WITHOUT_TOKEN]
BY_HAND = ("rights", "VM sizes", "quota")
"""What the study can do without."""
GOT_ROUND = ("image build", "write run")
"""Asked again, an image that was built meanwhile is there, and so is a run that the SDK could not add properties to."""


def test_the_table_names_every_request_of_a_study(study, emulator):
    one, opened = study
    one.run(opened)
    # the data goes into the store before: its faults are those of test_blob_storage.py
    asked = [r for r in emulator.record.requests() if "/datasets/" not in r.path and "permission-probe" not in r.path]
    unknown = {(r.method, r.path) for r in asked if not any(_is(r, *kind) for kind in REQUESTS.values())}
    assert unknown == set()
    never = [name for name, kind in REQUESTS.items() if not any(_is(r, *kind) for r in asked)]
    assert never == []


def _is(request, method: str, pattern: str) -> bool:
    return method in ("*", request.method) and re.search(pattern, request.path) is not None


@pytest.mark.parametrize("case", shortened(PASSING, [one for one in PASSING if one[0] in SHORT]), ids="-".join)
def test_a_passing_fault_changes_nothing(study, emulator, case):
    (one, opened), (name, faults) = study, case
    emulator.faults.add(*(FaultRule(*REQUESTS[name], kind, seconds=SECONDS.get(kind, 0.1)) for kind in BROKEN[faults]))
    one.run(opened)
    trials = one.ledger.trials(opened.name)
    assert [(trial.state, len(trial.attempts)) for trial in trials] == [(TrialState.COMPLETED, 1)] * 2
    best = best_trial(trials, "maximize")
    assert jobs(emulator) == [f"final-t{best.number:04d}-a1", "t0000-a1", "t0001-a1"], "nothing was paid for twice"
    assert_given_back(emulator)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_missing_role_ends_the_study_with_a_word_on_what_to_do(study, emulator, name):
    one, opened = study
    emulator.faults.add(FaultRule(*REQUESTS[name], FaultKind.FORBIDDEN, times=10_000))
    if name in BY_HAND:
        one.run(opened)
    else:
        with pytest.raises((UserError, RetryableError)) as caught:
            one.run(opened)
        assert re.search(r"role|check|sign in|look at|SAS", str(caught.value)), str(caught.value)
    assert_cleaned_up(one, emulator)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_fault_for_ever_ends_the_study_and_clean_up_does_the_rest(study, emulator, name, monkeypatch):
    one, opened = study
    monkeypatch.setattr(blob_http, "TRIES", 1)
    one.pace = type(one.pace)(patience=1.0, longest_after_error=0.2, stop=1.0, close=1.0)
    emulator.faults.add(FaultRule(*REQUESTS[name], FaultKind.UNAVAILABLE, times=10_000))
    with nullcontext() if name in GOT_ROUND else pytest.raises(RetryableError):
        one.run(opened)
    assert_cleaned_up(one, emulator)
    done = one.ledger.trials(opened.name)
    finished = [trial.number for trial in done if trial.state is TrialState.COMPLETED]
    one.pace = PACE
    one.run(opened)
    assert [trial.state for trial in one.ledger.trials(opened.name)] == [TrialState.COMPLETED] * 2
    again = [job for job in jobs(emulator) if not job.endswith("-a1")]
    assert not [job for job in again if int(job[1:5]) in finished], "a completed trial was paid for twice"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (FaultKind.LOST_RUN, "lost: Azure ML does not know its run any more"),
        (FaultKind.STUCK, "lost: it was Queued for 0.0 minutes"),
        (FaultKind.UNREADY, "lost: it was Preparing for 0.0 minutes"),
        (FaultKind.PREEMPTED, "preempted: its node was preempted"),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
def test_a_job_that_is_lost_gets_a_new_attempt(study, emulator, monkeypatch, kind, reason):
    one, opened = study
    monkeypatch.setitem(TRAINING, "seconds", 3.0)
    # after its submission has been answered, and long before it has ended
    emulator.faults.add(FaultRule("POST", "/snapshotrun$", kind, seconds=1.0))
    one.run(opened)
    first, second = one.ledger.trials(opened.name)
    assert [trial.state for trial in (first, second)] == [TrialState.COMPLETED] * 2
    assert (len(first.attempts), len(second.attempts)) == (2, 1)
    assert (first.attempts[0].reason or "").startswith(reason)
    assert_given_back(emulator)


def test_preemptions_have_a_budget_of_their_own_and_end_on_dedicated_nodes(azurite_https, emulator, tmp_path):
    compute = {"low_priority": True, "dedicated_cluster": "steady", "dedicated_after": 4, "preemptions": 5}
    one = AzureStudy(emulator, new_store(azurite_https), tmp_path / "home", trials=1, nodes=1, compute=compute)
    opened = one.open()
    price = Price(dedicated=5.0, low_priority=1.0, low_priority_is_estimate=False, date="2026-06-18", source="told")
    one.ledger.write_stage(opened.name, RATES, asdict(rates(one.bench.parameters, price)))
    emulator.faults.add(FaultRule("POST", "/snapshotrun$", FaultKind.PREEMPTED, times=4, seconds=0.02))
    one.run(opened)
    [trial] = one.ledger.trials(opened.name)
    assert [attempt.state for attempt in trial.attempts] == [TrialState.LOST] * 4 + [TrialState.COMPLETED]
    clusters = emulator.inspect(lambda service: {name: c.priority.lower() for name, c in service.clusters.items()})
    assert clusters == {"retuner": "lowpriority", "steady": "dedicated"}
    ran_on = emulator.run(trial.attempts[-1].job).fields["target"]
    assert ran_on == "steady"
    *low, last = [(attempt.usd, attempt.seconds / 3600) for attempt in trial.attempts]
    assert last[1] > 0
    assert last[0] == pytest.approx(5 * last[1])
    assert [usd for usd, _ in low] == pytest.approx([hours for _, hours in low])
    spent = study_bill(one.ledger.study(opened.name), [trial], at=now())
    assert spent.moved.work == pytest.approx(3600 * last[1])
    one.ledger.close()


def test_an_image_that_cannot_be_built_is_told_before_any_trial(study, emulator):
    one, opened = study
    emulator.faults.add(FaultRule("POST", "/image$", FaultKind.IMAGE_BUILD))
    with pytest.raises(UserError, match=r"image could not be built .* compute\.image"):
        one.run(opened)
    assert jobs(emulator) == []
    assert_given_back(emulator)


def test_an_image_that_one_job_cannot_get_is_a_failed_trial(study, emulator):
    one, opened = study
    emulator.faults.add(FaultRule("POST", "/snapshotrun$", FaultKind.IMAGE_BUILD))
    one.run(opened)
    first, second = one.ledger.trials(opened.name)
    assert (first.state, second.state) == (TrialState.FAILED, TrialState.COMPLETED)
    assert "ImageBuildFailed" in (first.message or "")
    assert_given_back(emulator)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_quota_that_is_used_up_is_told(study, emulator, method):
    one, opened = study
    if method == "PATCH":  # a cluster that is there and must be changed
        one.service().scale(0, 1)
    emulator.faults.add(FaultRule(method, "/computes/retuner$", FaultKind.QUOTA))
    with pytest.raises(UserError, match="quota"):
        one.run(opened)
    assert_given_back(emulator)
    assert jobs(emulator) == []


def test_96_trials_on_16_nodes_stay_within_the_limits_and_leave_nothing(azurite_https, tmp_path):
    settings = Settings(
        execute=False,
        script=lambda run: play(run, seconds=1.0),
        idle_scale=0.001,
        node_start_seconds=0.05,
        quota_cores=16 * 8,
    )
    with (
        Emulator(BlobAccount(azurite_https.account_url, azurite_https.key), settings) as emulator,
        environment_of(emulator, tmp_path),
    ):
        size = {"trials": 96, "nodes": 16, "look_every": 1.0}
        one = AzureStudy(emulator, new_store(azurite_https), tmp_path / "home", **size)
        opened = one.open()
        one.run(opened)
        trials = one.ledger.trials(opened.name)
        assert [(trial.state, len(trial.attempts)) for trial in trials] == [(TrialState.COMPLETED, 1)] * 96
        assert emulator.inspect(lambda service: service.clusters["retuner"].most_running) <= 16
        assert len(jobs(emulator)) == 96 + 1
        # a window of one second holds one more than the rate where both its ends are hit
        assert emulator.record.busiest("POST", "/snapshotrun$") <= azure_ml_service.SUBMISSIONS_PER_SECOND + 1
        assert emulator.record.busiest("POST", ":query$") <= azure_ml_service.READS_PER_SECOND + 1
        assert one.target(opened).find(opened.name) == []
        assert_given_back(emulator)
        one.ledger.close()
