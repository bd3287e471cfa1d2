"""What must be so after every fault."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pytest
from retune_command import Retune


def shortened(whole: Iterable[Any], short: Collection[Any]) -> list[Any]:
    """Parameters of a test: `make test` takes those in `short`, `make faults` the whole."""
    return [one if one in short else pytest.param(one, marks=pytest.mark.long) for one in whole]


def completed(retune: Retune) -> int:
    """Trials of the newest study that the ledger calls completed."""
    studies = retune.status() if (retune.home / "ledger.sqlite").exists() else []
    return int(studies[0]["trials"]["completed"]) if studies else 0


def assert_only_whole_entries(home: Path) -> None:
    """Every dataset that has a name has all its files, with the content that the manifest names."""
    for manifest in [*home.glob("datasets/*/manifest.json"), *home.glob("store/datasets/*/manifest.json")]:
        for name, entry in json.loads(manifest.read_text())["files"].items():
            content = (manifest.parent / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], f"{manifest.parent.name}/{name}"
