"""Everything that `retune up` starts, in a home of its own, as a person has it on one machine."""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
import yaml
from retune_command import FIXED, TESTS, Retune, ask_api, wait_until

CHECKOUT = TESTS.parent

EVERY_MINUTE = {"every-15-minutes": "* * * * *"}
"""Clean-up, so that a test can see a schedule at work."""
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Station:
    """Server, worker and deployments: those of prefect.yaml, but with a small search of the toy recipe.

    `places` are groups of parameters by deployment, such as where Azure ML is.
    """

    def __init__(
        self, folder: Path, retune: Retune | None = None, places: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.retune = retune or Retune(folder)
        self.places = places or {}
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.deployments = folder / "prefect.yaml"
        self.retune.environment["RETUNER_DEPLOYMENTS"] = str(self.deployments)
        self.write_deployments()

    def write_deployments(self, *, crons: Mapping[str, str] = EVERY_MINUTE, **notify: Any) -> None:
        """A prefect.yaml for the toy recipe; when deployments are due, and `notify` as in the parameters."""
        whole = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
        for deployment in whole["deployments"]:
            if deployment["name"] in crons:
                deployment["schedules"] = [{"cron": crons[deployment["name"]], "timezone": "Europe/Berlin"}]
            if deployment["entrypoint"].startswith("flows/retune.py"):
                values = deployment["parameters"]
                values["recipe"] = "toy_recipe.recorded:recipe"
                values["search"] |= {"sampler": "random", "stopping": "none", "trials": 6, "space": FIXED}
                if values["compute"]["target"] == "dask":
                    values["compute"] |= {"address": None, "nodes": 2}
                values["budget"] = {**values.get("budget", {}), "probe": False}
                values["start"] = {"lease_wait_minutes": 5, "skip_if_unchanged": False}
                values["notify"] = {**values["notify"], **notify}
                values |= self.places.get(deployment["name"], {})
        self.deployments.write_text(yaml.safe_dump(whole, sort_keys=False))

    def up(self) -> dict[str, Any]:
        """Start it, or find it up; what it says."""
        done = self.retune("up", "--port", str(self.port), "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def down(self) -> None:
        done = self.retune("down")
        assert done.returncode == 0, done.stderr

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask this station's API."""
        return ask_api(self.api, path, body, method=method)

    def deployment(self, name: str) -> dict[str, Any]:
        return self.call("GET", f"deployments/name/{name}")

    def trigger(self, name: str, **parameters: Any) -> str:
        """Start a flow run through the API; returns its id."""
        found = self.deployment(name)
        return self.call("POST", f"deployments/{found['id']}/create_flow_run", {"parameters": parameters})["id"]

    def in_mid_search(self, **search: Any) -> str:
        """Start a flow run of retune/local; its id, once it has a completed trial of a study of its own."""
        before = len(self.retune.status())
        run = self.trigger("retune/local", search=search)

        def is_at_work() -> bool:
            studies = self.retune.status()
            return len(studies) > before and studies[0]["trials"]["completed"] > 0

        wait_until(is_at_work, "a completed trial")
        return run

    def worker(self) -> psutil.Process:
        """Prefect's worker."""
        found = map(psutil.Process, marked(self.retune.home))
        return next(one for one in found if {"worker", "start"} <= set(one.cmdline()))

    def refusal(self, name: str, **parameters: Any) -> tuple[int, str]:
        """Status and words with which the API refuses a flow run."""
        try:
            self.trigger(name, **parameters)
        except HTTPError as error:
            return error.code, json.loads(error.read())["detail"]
        raise AssertionError("the API took it")

    def flow_run(self, id_: str) -> dict[str, Any]:
        return self.call("GET", f"flow_runs/{id_}")

    def wait_for(self, id_: str, states: set[str] = FINAL, *, seconds: float = 120) -> dict[str, Any]:
        """The flow run, once it is in one of the states."""
        deadline = time.monotonic() + seconds
        while (run := self.flow_run(id_))["state_type"] not in states:
            assert time.monotonic() < deadline, f"waited {seconds} s for {states}: {run['state_name']}"
            time.sleep(0.3)
        return run


def marked(home: Path) -> list[int]:
    """Live processes of the station in that home, or of what it started, told by their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"RETUNER_HOME={home}".encode() in environment and command:
                found.append(int(entry.name))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
