"""What the Prefect server tells by itself when nothing starts or ends: the real automations, with shorter times."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
import yaml
from retune_command import Retune, ask_api, wait_until
from station import CHECKOUT
from webhook import BLOCK, Webhook

from cli.deployments import read_deployments
from cli.installation import AUTOMATIONS, wanted_automations
from retuner.errors import UserError

SECONDS = 11
"""Prefect takes no less than 10."""
EVENTS = {"local": ["failure", "champion"], "dask": ["failure"], "azure-ml": ["champion"]}
"""What each deployment tells, through a webhook of its own."""
INSTALL = (
    "import sys; from pathlib import Path; from cli import installation; "
    "installation.AUTOMATIONS = Path(sys.argv[1]); print(installation.install())"
)
WORKER = ("-m", "prefect", "worker", "start", "--pool", "retuner", "--name", "mortal")


class Prefect:
    """The tests' Prefect server with our deployments and automations, and no worker."""

    def __init__(self, retune: Retune, api: str) -> None:
        self.api = api
        self.environment = {**retune.environment, "PREFECT_HOME": str(retune.folder / "prefect")}
        blocks = {name: BLOCK if name == "local" else f"{BLOCK}-{name}" for name in EVENTS}
        self.webhooks = {name: Webhook(self.environment, block) for name, block in blocks.items()}
        self.webhook = self.webhooks["local"]
        whole = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
        for deployment in whole["deployments"]:
            if (name := deployment["name"]) in EVENTS:
                deployment["parameters"]["notify"] = {"blocks": [blocks[name]], "events": EVENTS[name]}
        deployments = retune.folder / "prefect.yaml"
        deployments.write_text(yaml.safe_dump(whole))
        self.periods = {one.path: one.period for one in read_deployments(deployments)}
        automations = retune.folder / "automations.yaml"
        automations.write_text(yaml.safe_dump([self.hastened(one) for one in yaml.safe_load(AUTOMATIONS.read_text())]))
        self.environment["RETUNER_DEPLOYMENTS"] = str(deployments)
        self.automations = automations
        self.install()

    def install(self) -> None:
        command = [sys.executable, "-c", INSTALL, str(self.automations)]
        subprocess.run(command, env=self.environment, check=True, timeout=300)

    def written(self) -> dict[str, str]:
        """When each automation was last written."""
        return {one["name"]: one["updated"] for one in ask_api(self.api, "automations/filter", {})}

    def hastened(self, automation: dict[str, Any]) -> dict[str, Any]:
        """The automation, waiting for seconds where it waits for longer."""
        if "periods" in automation:
            path = "retune/local" if automation["flow"] == "retune" else "clean-up/every-15-minutes"
            return {**automation, "periods": SECONDS / (self.periods[path] or 0)}
        if automation["trigger"]["posture"] == "Proactive":
            return {**automation, "trigger": {**automation["trigger"], "within": SECONDS}}
        return automation

    def start(self, deployment: str) -> str:
        """A flow run that no worker takes; its id."""
        found = ask_api(self.api, f"deployments/name/{deployment}")
        return str(ask_api(self.api, f"deployments/{found['id']}/create_flow_run", {})["id"])

    def set_state(self, flow_run: str, **state: str) -> None:
        ask_api(self.api, f"flow_runs/{flow_run}/set_state", {"state": state, "force": True})


@pytest.fixture(scope="module")
def prefect(api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    prefect = Prefect(Retune(tmp_path_factory.mktemp("automations"), api), api)
    yield prefect
    for webhook in prefect.webhooks.values():
        webhook.close()


def test_a_schedule_that_never_came_to_a_good_end_is_told(prefect: Prefect):
    """Only the two schedules that are on."""
    assert "jobs may be working unwatched" in prefect.webhook.wait_for("retuner: clean-up is missing")
    assert "(retune/local)" in prefect.webhook.wait_for("retuner: no completed retune")
    assert prefect.webhook.subjects().count("retuner: no completed retune") == 1


def test_what_does_not_start_and_what_does_not_come_to_its_end_is_told_again(prefect: Prefect):
    """All waiting at once: a flow run that is late, no clean-up, a work pool whose worker is gone; retunes end well."""
    with good_ends(prefect, "retune/local"):
        with subprocess.Popen(
            [sys.executable, *WORKER],
            env={**prefect.environment, "PREFECT_WORKER_HEARTBEAT_SECONDS": "1", "PREFECT_WORKER_QUERY_SECONDS": "60"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as worker:
            wait_until(lambda: ask_api(prefect.api, "work_pools/retuner")["status"] == "READY", "the worker")
            worker.kill()
        late = prefect.start("retune/local")

        webhook = prefect.webhook
        name = ask_api(prefect.api, f"flow_runs/{late}")["name"]
        told = webhook.wait_for(f"retuner: {name} has not started")
        assert told.startswith("local is late for more than 15 minutes")
        assert f"/runs/flow-run/{late}" in told
        assert "Start one, such as with make up" in webhook.wait_for("retuner: the work pool is not ready")
        webhook.wait_for("retuner: clean-up is missing", times=2)
        assert webhook.subjects().count("retuner: no completed retune") == 1  # that of the test before


@contextmanager
def good_ends(prefect: Prefect, deployment: str) -> Iterator[None]:
    """Flow runs of the deployment end well, one after the other."""
    stop = Event()

    def end_well() -> None:
        while not stop.wait(1):
            ended = prefect.start(deployment)
            prefect.set_state(ended, type="RUNNING")
            prefect.set_state(ended, type="COMPLETED", name="Completed")

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end_well)
        try:
            yield
        finally:
            stop.set()
        ending.result()


def test_a_flow_run_that_fails_is_told_once_and_to_whom_its_deployment_names(prefect: Prefect):
    names = {}
    for deployment in EVENTS:
        run = prefect.start(f"retune/{deployment}")
        prefect.set_state(run, type="RUNNING")
        words = "UserError: trial 3 failed\n    its last line"
        prefect.set_state(run, type="FAILED", name="Failed", message=words)
        names[deployment] = ask_api(prefect.api, f"flow_runs/{run}")["name"]
    for deployment in ("local", "dask"):
        told = prefect.webhooks[deployment].wait_for(f"retuner: {names[deployment]} is Failed")
        assert "UserError: trial 3 failed\n    its last line" in told
    prefect.start("retune/local")  # its events come later than a second message would
    failed = {
        name: [subject for subject in hook.subjects() if subject.endswith("is Failed")]
        for name, hook in prefect.webhooks.items()
    }
    assert failed == {
        "local": [f"retuner: {names['local']} is Failed"],
        "dask": [f"retuner: {names['dask']} is Failed"],
        "azure-ml": [],
    }


def test_a_flow_run_that_ran_out_of_time_is_told(prefect: Prefect):
    """As Prefect's engine ends one whose flow has `timeout_seconds`."""
    run = prefect.start("retune/local")
    prefect.set_state(run, type="RUNNING")
    prefect.set_state(run, type="FAILED", name="TimedOut", message="Flow run exceeded timeout of 60.0 second(s)")
    name = ask_api(prefect.api, f"flow_runs/{run}")["name"]
    told = prefect.webhook.wait_for(f"retuner: {name} is TimedOut")
    assert told.startswith("retune of local: TimedOut\nFlow run exceeded timeout of 60.0 second(s)")


def test_a_flow_run_that_is_gone_with_its_worker_ends_crashed_and_is_told(prefect: Prefect):
    """Killed together, as by the loss of their host: nobody is left to say so, and no heartbeat comes any more."""
    run = prefect.start("retune/local")
    deployed = ask_api(prefect.api, "deployments/name/retune/local")["job_variables"]["env"]
    with subprocess.Popen(
        [sys.executable, "-m", "prefect", "flow-run", "execute", run],
        env={**prefect.environment, **deployed},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as parent:
        beat = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
        wait_until(lambda: ask_api(prefect.api, "events/filter", {"filter": beat})["total"], "a heartbeat")
        for process in [psutil.Process(parent.pid), *psutil.Process(parent.pid).children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    name = ask_api(prefect.api, f"flow_runs/{run}")["name"]
    assert "its process is gone" in prefect.webhook.wait_for(f"retuner: {name} is Crashed")
    assert ask_api(prefect.api, f"flow_runs/{run}")["state_type"] == "CRASHED"


def test_what_concerns_no_deployment_of_its_own_is_told_to_all_who_hear_of_failures(prefect: Prefect):
    """After the tests before: the work pool and clean-up, and no other deployment's retunes."""
    common = {"retuner: the work pool is not ready", "retuner: clean-up is missing"}
    for subject in common:
        prefect.webhooks["dask"].wait_for(subject)
    assert "retuner: no completed retune" not in prefect.webhooks["dask"].subjects()
    assert prefect.webhooks["azure-ml"].messages == []


def test_an_automation_that_is_as_it_should_be_is_not_written_again(prefect: Prefect):
    """It would forget what it waits for: with a `make up` a week nobody would be told that nothing completes."""
    before = prefect.written()
    prefect.install()
    assert prefect.written() == before


def test_automations_that_count_in_periods_follow_the_schedules(tmp_path: Path):
    whole = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
    daily = {**whole["deployments"][0], "name": "daily", "schedules": [{"cron": "0 3 * * *", "timezone": "Asia/Tokyo"}]}
    file = tmp_path / "prefect.yaml"
    file.write_text(yaml.safe_dump({"deployments": [daily, *whole["deployments"]]}))
    deployments = read_deployments(file)
    assert wanted_automations([{"name": "x", "trigger": {"expect": "y"}}], deployments) == [
        {"name": "x", "trigger": {"expect": "y"}}
    ]
    counted = {"name": "x", "flow": "retune", "periods": 2, "trigger": {"expect": "y"}}
    made = wanted_automations([counted], deployments)
    assert {one["name"]: one["trigger"]["within"] for one in made} == {
        "x (retune/daily)": 2 * 86_400,
        "x (retune/local)": 2 * 7 * 86_400,
    }


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"schedules": [{"cron": "61 3 * * 1"}]}, "has the cron line '61 3 * * 1', which is none: write five fields"),
        ({"schedules": [{"cron": "0 3 * * 1", "timezone": "Mars/Base"}]}, "has the time zone 'Mars/Base', which there"),
        ({"schedules": [{"interval": 60}]}, "has a schedule without a cron line"),
        ({"parameters": {"search": {"trials": 0}}}, "Wrong parameters: search.trials = 0"),
        ({"entrypoint": None}, "has no entrypoint"),
    ],
)
def test_a_deployment_that_cannot_be_used_is_named_with_what_to_write(tmp_path: Path, spoil, words):
    whole = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
    whole["deployments"][1] |= spoil
    file = tmp_path / "prefect.yaml"
    file.write_text(yaml.safe_dump(whole))
    with pytest.raises(UserError) as caught:
        read_deployments(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(("content", "words"), [("a: [", "is not YAML"), ("deployments: 3", "must hold a list")])
def test_a_file_that_holds_no_deployments_is_named(tmp_path: Path, content, words):
    file = tmp_path / "prefect.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=words):
        read_deployments(file)
