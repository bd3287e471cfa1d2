"""The command `retune` in a process of its own, as a person or cron starts it."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TESTS = Path(__file__).resolve().parent
FIXED = {"steps": 6, "delay": 0.1, "fails_at": 0}
API_SECONDS = 180
NO_PROBE = ("--probe", "false")
"""The plan of a first search makes no probe trial, which no test but those of it waits for."""


class Retune:
    """Commands in one RETUNER_HOME, with a Prefect API that is running or one of their own."""

    def __init__(self, folder: Path, api: str | None = None) -> None:
        self.folder = folder
        self.home = folder / "retuner"
        self.record = folder / "trainings.txt"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RETUNER_HOME": str(self.home),
            "PYTHONPATH": f"{TESTS.parent}:{TESTS}",
            "TOY_RECORD": str(self.record),
        }
        if api is not None:
            self.environment["PREFECT_API_URL"] = api

    def start(self, *arguments: str, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        """Start a command; both outputs are pipes unless `stderr` is told."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": stderr, "text": True}
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, **pipes)

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def search(self, *arguments: str, trials: int = 6, space: dict[str, Any] | None = None) -> tuple[str, ...]:
        """Arguments of a small search of the toy recipe: random, nothing stopped early."""
        values = json.dumps({**FIXED, **(space or {})})
        recipe = ("--recipe", "toy_recipe.recorded:recipe", "--sampler", "random", "--stopping", "none")
        model = ("--model-name", "FAQ_ranker")  # that of the deployments, which share its lease
        size = ("--trials", str(trials), "--nodes", "2")
        return ("run", *recipe, *model, *NO_PROBE, *size, "--space", values, *arguments)

    def status(self) -> list[dict[str, Any]]:
        """What `retune status --json` says."""
        return json.loads(self("status", "--json").stdout)

    def trainings(self) -> int:
        """Trainings that began so far, by the training code's own records."""
        return len(self.record.read_text().splitlines()) if self.record.exists() else 0

    def qualities(self) -> Counter[float]:
        """How often the trial with each `quality` was trained, by the training code's own records."""
        record = Path(f"{self.record}.qualities")
        return Counter(map(float, record.read_text().splitlines())) if record.exists() else Counter()


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = 120) -> None:
    """Fails, naming `what`, where the condition does not come true in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def ask_api(api: str, path: str, body: object = None, *, method: str | None = None) -> Any:
    """Ask Prefect's API, as curl would: POST where there is a body, else GET."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{api}/{path}", data, {"Content-Type": "application/json"}, method=method)
    deadline = time.monotonic() + API_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(request, timeout=60) as answer:
                text = answer.read()
        except HTTPError as error:
            if error.code != 503:  # the server's SQLite was locked; every client of Prefect's tries again
                raise
        except OSError:  # it is on its way back
            pass
        else:
            return json.loads(text) if text else None
        time.sleep(0.5)
    raise AssertionError(f"the server did not answer for {API_SECONDS} s")
