"""The store of blobs with each fault at each kind of request that it makes: it ends right, or the next try does.

Azurite is reached through the emulator's host, as the nodes reach it. `make test` takes a few of the requests, `make
faults` all. The table of requests is complete: a test says so.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure_ml_emulator import BlobAccount, Emulator, FaultKind, FaultRule, Settings
from azure_ml_emulator.client import environment_of
from azure_study import new_store
from azurite import Azurite
from what_holds import ANY_REQUEST, shortened

from retuner.errors import RetryableError, UserError
from retuner.storage import blob_client
from retuner.storage.blob import BlobStore

SMALL, LARGE, MANIFEST, UNVERIFIED = "d/small", "d/large", "d/manifest.json", "d/unverified"
CONTENT = {SMALL: b"small", LARGE: bytes(range(256)) * 10, MANIFEST: b"{}", UNVERIFIED: b"of another program"}
REQUESTS = {
    "check": {"look-up": "HEAD", "probe": "PUT"},
    "put": {"look-up": "HEAD", "write": "PUT", "read-back": "GET", "mark": "PUT"},
    "put in blocks": {
        "look-up": "HEAD",
        **{f"block {number}": "PUT" for number in (1, 2, 3)},
        "block list": "PUT",
        "read-back": "GET",
        "mark": "PUT",
    },
    "put manifest": {"look-up": "HEAD", "write": "PUT"},
    "exists": {"look-up": "HEAD"},
    "list": {"list": "GET"},
    "manifest": {"list": "GET", "read": "GET"},
    "get": {"read": "GET"},
}
"""What each call of the store asks, in this order."""
PLACES = [(step, name) for step, names in REQUESTS.items() for name in names]
CASES = [(*place, kind) for place in PLACES for kind in ANY_REQUEST]
SHORT = [
    ("check", "probe", FaultKind.THROTTLED),
    ("put", "read-back", FaultKind.HANG),
    ("put", "mark", FaultKind.RESET),
    ("put manifest", "write", FaultKind.ERROR),
    ("get", "read", FaultKind.EXPIRED),
]
WRITES = [place for place in PLACES if REQUESTS[place[0]][place[1]] == "PUT"]
UNANSWERED = [(*place, kind) for place in WRITES for kind in (FaultKind.ERROR, FaultKind.RESET, FaultKind.HANG)]
TOLD_AT_ONCE = (FaultKind.THROTTLED, FaultKind.EXPIRED)
"""Azure's client asks again after the others by itself."""


@dataclass
class Bench:
    """A container of its own, and the files that are put there."""

    emulator: Emulator
    azurite: Azurite
    folder: Path

    def __post_init__(self) -> None:
        self.store = new_store(self.azurite)
        for name, content in CONTENT.items():
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)

    def steps(self) -> dict[str, Callable[[], object]]:
        """Every call of the store; those that read come after those that write."""
        store = self.store
        return {
            "check": store.check,
            "put": lambda: store.put(self.folder / SMALL, SMALL),
            "put in blocks": lambda: store.put(self.folder / LARGE, LARGE),
            "put manifest": lambda: store.put(self.folder / MANIFEST, MANIFEST),
            "exists": lambda: store.exists(SMALL),
            "list": lambda: store.list("d/"),
            "manifest": lambda: store.manifest("d/"),
            "get": lambda: store.get(SMALL, self.folder / "copy"),
        }

    def run_until(self, step: str) -> None:
        """All that comes before the step."""
        for name, call in self.steps().items():
            if name == step:
                return
            self.run(name, call)

    def run(self, name: str, call: Callable[[], object]) -> object:
        if name == "manifest":
            self.blob(UNVERIFIED).upload_blob(CONTENT[UNVERIFIED], overwrite=True)
        return call()

    def blob(self, name: str):
        return self.azurite.client().get_blob_client(self.store.place.container, name)

    def assert_whole(self) -> None:
        """Every blob that was put is there with its content, and says so."""
        for name in (SMALL, LARGE, MANIFEST):
            assert self.blob(name).download_blob().readall() == CONTENT[name]
            assert self.blob(name).get_blob_properties().metadata == {"sha256": sha256(name)}


def sha256(name: str) -> str:
    return hashlib.sha256(CONTENT[name]).hexdigest()


@pytest.fixture(scope="module")
def emulator(azurite_https, tmp_path_factory) -> Iterator[Emulator]:
    account = BlobAccount(azurite_https.account_url, azurite_https.key)
    with (
        Emulator(account, Settings(execute=False)) as emulator,
        environment_of(emulator, tmp_path_factory.mktemp("home")),
    ):
        yield emulator


@pytest.fixture
def bench(emulator, azurite_https, tmp_path, monkeypatch) -> Iterator[Bench]:
    monkeypatch.setattr(blob_client, "ANSWER_SECONDS", 1.5)
    monkeypatch.setattr(blob_client, "BACKOFF", dict.fromkeys(blob_client.BACKOFF, 0))
    monkeypatch.setattr(blob_client, "SINGLE", 1024)
    monkeypatch.setattr(blob_client, "BLOCK", 1024)
    yield Bench(emulator, azurite_https, tmp_path)
    emulator.faults.clear()


def test_the_table_names_every_request_of_the_store(bench):
    asked = {}
    for name, call in bench.steps().items():
        before = len(bench.emulator.record.requests())
        bench.run(name, call)
        asked[name] = [request.method for request in bench.emulator.record.requests()[before:]]
    assert asked == {name: list(names.values()) for name, names in REQUESTS.items()}
    public = {name for name in vars(BlobStore) if not name.startswith("_")}
    assert public == {"check", "put", "exists", "list", "manifest", "get", "location", "node_secrets"}


@pytest.mark.parametrize("case", shortened(CASES, SHORT), ids="-".join)
def test_a_passing_fault_changes_nothing(bench, case):
    step, name, kind = case
    bench.run_until(step)
    add_fault(bench, step, name, kind)
    answer = tried(bench, step, told=kind in TOLD_AT_ONCE)
    assert_right(bench, step, answer)


@pytest.mark.parametrize("place", shortened(PLACES, [("put", "write")]), ids="-".join)
def test_a_service_that_stays_away_is_told_and_the_next_try_completes(bench, place):
    bench.run_until(place[0])
    add_fault(bench, *place, FaultKind.UNAVAILABLE, times=10_000)
    assert_right(bench, place[0], tried(bench, place[0], told=True))


@pytest.mark.parametrize("case", shortened(UNANSWERED, [("put manifest", "write", FaultKind.RESET)]), ids="-".join)
def test_a_write_whose_answer_is_lost_is_done_once(bench, case):
    step, name, kind = case
    bench.run_until(step)
    add_fault(bench, step, name, kind, applied=True)
    # the mark changes the blob, so that a second one is refused: the next try finds the first
    assert_right(bench, step, tried(bench, step, told=name == "mark"))


def add_fault(bench: Bench, step: str, name: str, kind: FaultKind, **options) -> None:
    names = REQUESTS[step]
    method, position = names[name], list(names).index(name)
    earlier = [*names.values()][:position].count(method)
    bench.emulator.faults.add(FaultRule(method, "", kind, after=earlier, seconds=1.0, **options))


def tried(bench: Bench, step: str, *, told: bool) -> object:
    """What the step says; `told` where its first try ends with a message."""
    call = bench.steps()[step]
    if told:
        with pytest.raises((RetryableError, UserError)) as caught:
            bench.run(step, call)
        message = str(caught.value)
        assert re.search(r"could not do it now \(|make a new one", message), message
        assert bench.store.place.url in message
        assert "sig=" not in message
        assert bench.emulator.faults.unmet() == []
        bench.emulator.faults.clear()
    answer = bench.run(step, call)
    assert bench.emulator.faults.unmet() == []
    return answer


def assert_right(bench: Bench, step: str, answer: object) -> None:
    """The step's answer, and after all the other steps the whole store."""
    names = [LARGE, MANIFEST, SMALL]
    told = {"exists": True, "list": names, "manifest": {name: sha256(name) for name in [*names, UNVERIFIED]}}
    assert answer == told.get(step)
    if step == "get":
        assert (bench.folder / "copy").read_bytes() == CONTENT[SMALL]
    bench.emulator.faults.clear()
    for name, call in bench.steps().items():
        bench.run(name, call)
    bench.assert_whole()
