"""What the Prefect server tells by itself when nothing starts or ends: the real automations, with shorter times."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from retune_command import Retune, ask_api
from station import CHECKOUT
from webhook import BLOCK, Webhook

from cli.deployments import read_deployments
from cli.installation import AUTOMATIONS, wanted_automations
from retuner.errors import UserError

SECONDS = 11
"""Prefect takes no less than 10."""
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
        self.webhook = Webhook(self.environment)
        whole = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
        whole["deployments"][0]["parameters"]["notify"]["blocks"] = [BLOCK]
        deployments = retune.folder / "prefect.yaml"
        deployments.write_text(yaml.safe_dump(whole))
        self.periods = {one.path: one.period for one in read_deployments(deployments)}
        automations = retune.folder / "automations.yaml"
        automations.write_text(yaml.safe_dump([self.hastened(one) for one in yaml.safe_load(AUTOMATIONS.read_text())]))
        self.environment["RETUNER_DEPLOYMENTS"] = str(deployments)
        command = [sys.executable, "-c", INSTALL, str(automations)]
        subprocess.run(command, env=self.environment, check=True, timeout=300)

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
    prefect.webhook.close()


def test_what_does_not_start_and_what_does_not_come_to_its_end_is_told(prefect: Prefect):
    """All waiting at once: a flow run that is late, ends that do not come, a work pool whose worker is gone."""
    with subprocess.Popen(
        [sys.executable, *WORKER],
        env={**prefect.environment, "PREFECT_WORKER_HEARTBEAT_SECONDS": "1", "PREFECT_WORKER_QUERY_SECONDS": "60"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as worker:
        wait_until_ready(prefect)
        worker.kill()
    late = prefect.start("retune/local")
    for deployment in ("clean-up/every-15-minutes", "retune/local"):
        ended = prefect.start(deployment)
        prefect.set_state(ended, type="RUNNING")
        prefect.set_state(ended, type="COMPLETED", name="Completed")

    webhook = prefect.webhook
    assert "jobs may be working unwatched" in webhook.wait_for("retuner: clean-up is missing")
    assert "(retune/local)" in webhook.wait_for("retuner: no completed retune")
    name = ask_api(prefect.api, f"flow_runs/{late}")["name"]
    told = webhook.wait_for(f"retuner: {name} has not started")
    assert told.startswith("local is late for more than 15 minutes")
    assert f"/runs/flow-run/{late}" in told
    assert "Start one, such as with make up" in webhook.wait_for("retuner: the work pool is not ready")


def test_a_flow_run_that_fails_is_told_once(prefect: Prefect):
    run = prefect.start("retune/local")
    prefect.set_state(run, type="RUNNING")
    prefect.set_state(run, type="FAILED", name="Failed", message="UserError: trial 3 failed\n    its last line")
    name = ask_api(prefect.api, f"flow_runs/{run}")["name"]
    assert "UserError: trial 3 failed\n    its last line" in prefect.webhook.wait_for(f"retuner: {name} is Failed")
    prefect.start("retune/local")  # its events come later than a second message would
    assert prefect.webhook.subjects().count(f"retuner: {name} is Failed") == 1


def wait_until_ready(prefect: Prefect) -> None:
    deadline = time.monotonic() + 120
    while ask_api(prefect.api, "work_pools/retuner")["status"] != "READY":
        assert time.monotonic() < deadline
        time.sleep(0.3)


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
