"""Fixtures for tests of single stages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage_bench import StageBench, open_stage_bench

from retuner.registry.mlflow import MlflowRegistry
from retuner.search.ledger import Ledger


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: making them takes a second."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.sqlite"
    registry = MlflowRegistry(f"sqlite:///{path}")
    registry._client.search_registered_models()
    return path


@pytest.fixture
def stage_bench(tmp_path: Path, empty_mlflow: Path) -> Iterator[StageBench]:
    """Real store, registry and ledger, and an open study of the toy recipe."""
    home = tmp_path / "home"
    (home / "mlflow").mkdir(parents=True)
    shutil.copyfile(empty_mlflow, home / "mlflow" / "mlflow.sqlite")
    with Ledger(f"sqlite:///{home / 'ledger.sqlite'}") as ledger:
        yield open_stage_bench(home, ledger)
