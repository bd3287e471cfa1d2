"""A version's life in an emulated workspace with each fault at each kind of request: there is one, and it is whole.

`make test` takes a few of the requests, `make faults` all. The table of requests is complete: a test says so.
"""

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure_bench import emulator, impatience
from azure_ml_emulator import Emulator, FaultKind, FaultRule
from azure_ml_emulator.client import SDK_WARNINGS
from azure_ml_emulator.record import matches
from what_holds import ANY_REQUEST, shortened

from retuner.azure_ml.workspace import WorkspaceName
from retuner.errors import RetryableError
from retuner.registry.azure_ml import AzureMlRegistry
from retuner.registry.azure_ml_models import AzureMlModels
from retuner.registry.registry import Metadata, ModelVersion
from retuner.storage import blob_client

__all__ = ["emulator", "impatience"]
pytestmark = SDK_WARNINGS
NAME, KEY = "FAQ", "key"
METADATA = Metadata(metrics={"gain@1": 0.9}, parameters={"trees": 300}, tags={"study": "FAQ-1"})
FILES = {"model.joblib": b"a model", "seen.parquet": b"keys"}
BLOB = "^/azureml/LocalUpload/"
LIST = ("GET", "/models$")
PLACE = ("GET", "/prefix/contentinfo/LocalUpload/")
REQUESTS = {
    "register": {
        "sign-in page": ("GET", "openid-configuration$"),
        "sign in": ("POST", "/oauth2/v2.0/token$"),
        "subscriptions": ("GET", "^/+subscriptions$"),
        "workspace": ("GET", "/workspaces/emulated$"),
        "discovery": ("GET", "^/+discovery"),
        "list": LIST,
        "places": ("POST", "/artifacts/batch/metadata/"),
        "upload": ("PUT", BLOB),
        "places to read": PLACE,
        "read-back": ("GET", BLOB),
        "asset": ("POST", "/assets$"),
        "version": ("POST", "/models$"),
    },
    "versions": {"list": LIST},
    "set champion": {"list": LIST, "tag": ("PATCH", "/models/FAQ:1$")},
    "champion": {"list": LIST},
    "download": {
        "list": LIST,
        "asset": ("GET", "/assets/[^/]+$"),
        "places to read": PLACE,
        "file": ("GET", BLOB),
    },
}
"""Method and path of everything that each call of the registry asks."""
PLACES = [(step, name) for step, names in REQUESTS.items() for name in names]
WITHOUT_TOKEN = [("register", "sign-in page", FaultKind.EXPIRED)]
"""Everybody may read it, so that no token can be refused there."""
CASES = [case for case in ((*place, kind) for place in PLACES for kind in ANY_REQUEST) if case not in WITHOUT_TOKEN]
SHORT = [
    ("register", "version", FaultKind.HANG),
    ("set champion", "tag", FaultKind.THROTTLED),
    ("download", "file", FaultKind.EXPIRED),
]
WRITES = [
    place for place in PLACES if REQUESTS[place[0]][place[1]][0] in ("POST", "PUT", "PATCH") and place[1] != "sign in"
]
OF_BLOBS = [place for place in PLACES if REQUESTS[place[0]][place[1]][1] == BLOB]
UNANSWERED = [(*place, kind) for place in WRITES for kind in (FaultKind.ERROR, FaultKind.RESET, FaultKind.HANG)]
OWN_RIGHT = ("sign in", "upload", "read-back", "file")
"""What shows no token of the workspace, so that a refusal is told, and the next try asks for a new one."""


@dataclass
class Bench:
    """One registry as one process has it, and the files of a version."""

    emulator: Emulator
    folder: Path

    def __post_init__(self) -> None:
        settings = self.emulator.settings
        name = WorkspaceName(settings.subscription, settings.group, settings.workspace)
        self.registry = AzureMlRegistry(name, models=AzureMlModels(name, call_seconds=4.0))
        self.folder.mkdir()
        for file, content in FILES.items():
            (self.folder / file).write_bytes(content)
        with zipfile.ZipFile(self.folder / "snapshot.zip", "w") as archive:
            archive.writestr("retuner_training/__init__.py", "")

    def steps(self) -> dict[str, Callable[[], object]]:
        registry, copy = self.registry, self.folder.parent / "copy"
        return {
            "register": self.register,
            "versions": lambda: registry.versions(NAME),
            "set champion": lambda: registry.set_champion(NAME, "1"),
            "champion": lambda: registry.champion(NAME),
            "download": lambda: registry.download(self.version, copy),
        }

    def register(self) -> ModelVersion:
        self.version = self.registry.register(NAME, self.folder, METADATA, KEY)
        return self.version

    def asked(self, since: int = 0) -> list:
        return self.emulator.record.requests()[since:]

    def assert_right(self) -> None:
        """One version, with its metadata; it is the champion, and its files are what was registered."""
        self.emulator.faults.clear()
        steps = self.steps()
        (version,) = self.registry.versions(NAME)
        assert (version.version, version.key, version.metrics) == ("1", KEY, METADATA.metrics)
        assert steps["register"]() == version
        steps["set champion"]()
        assert self.registry.champion(NAME) == version
        steps["download"]()
        copy = self.folder.parent / "copy"
        assert {file: (copy / file).read_bytes() for file in FILES} == FILES
        assert len(self.emulator.inspect(lambda service: dict(service.state.models))) == 1


@pytest.fixture
def bench(emulator, tmp_path, monkeypatch) -> Bench:
    monkeypatch.setattr(blob_client, "ANSWER_SECONDS", 1.5)
    monkeypatch.setattr(blob_client, "BACKOFF", dict.fromkeys(blob_client.BACKOFF, 0))
    return Bench(emulator, tmp_path / "folder")


def test_the_table_names_every_request_of_a_version(bench):
    for step, call in bench.steps().items():
        before = len(bench.asked())
        call()
        asked = bench.asked(before)
        table = REQUESTS[step].values()
        unknown = {(one.method, one.path) for one in asked if not any(_is(one, *kind) for kind in table)}
        assert (step, unknown) == (step, set())
        never = [name for name, kind in REQUESTS[step].items() if not any(_is(one, *kind) for one in asked)]
        assert (step, never) == (step, [])
    bench.assert_right()


def _is(request, method: str, pattern: str) -> bool:
    return matches(request.method, request.path, method, pattern)


@pytest.mark.parametrize("case", shortened(CASES, SHORT), ids="-".join)
def test_a_passing_fault_leaves_one_whole_version(bench, case):
    step, name, kind = case
    run_with(bench, (step, name), FaultRule(*REQUESTS[step][name], kind, seconds=1.0))
    bench.assert_right()


@pytest.mark.parametrize("case", shortened(UNANSWERED, [("register", "version", FaultKind.RESET)]), ids="-".join)
def test_a_write_whose_answer_is_lost_leaves_one_whole_version(bench, case):
    step, name, kind = case
    run_with(bench, (step, name), FaultRule(*REQUESTS[step][name], kind, applied=True))
    bench.assert_right()


@pytest.mark.parametrize("place", shortened(OF_BLOBS, ()), ids="-".join)
def test_a_storage_account_that_stays_away_is_told_and_the_next_try_completes(bench, place):
    run_with(bench, place, FaultRule(*REQUESTS[place[0]][place[1]], FaultKind.UNAVAILABLE, times=100), lasts=True)
    bench.assert_right()


def run_with(bench: Bench, place: tuple[str, str], rule: FaultRule, *, lasts: bool = False) -> None:
    """All calls, the fault at one of them: it ends right, or with a message after which the next try does."""
    for step, call in bench.steps().items():
        if step == place[0]:
            bench.emulator.faults.add(rule)
            message = told(call)
            assert bench.emulator.faults.unmet() == []
            assert message or not lasts
            assert not message or rule.kind is not FaultKind.SLOW, "it was not waited for"
            assert not message or rule.kind is not FaultKind.EXPIRED or place[1] in OWN_RIGHT, "it was not renewed"
            if lasts:
                bench.emulator.faults.clear()
        call()  # where it was done already, once more is no harm


def told(call: Callable[[], object]) -> str:
    """What the call's error says; nothing where it ended right."""
    try:
        call()
    except RetryableError as error:
        message = str(error)
        assert re.search(r"not do it now|no answer came|did not answer within|no token came|gets a new one", message)
        assert "sig=" not in message
        return message
    return ""
