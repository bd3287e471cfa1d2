"""The champion's copy on this machine: which folder it lies in, when it is made, and whose code answers."""

import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from stage_bench import StageBench

from retuner.champion import fetch_champion
from retuner.registry.mlflow import MlflowRegistry
from retuner.stages.evaluate import collect_challenger

ASK = """
from pathlib import Path
from retuner.champion import load_champion
from retuner.parameters import MlflowRegistry
from retuner.settings import read_settings
version, model = load_champion("toy", MlflowRegistry(), read_settings())
import toy_recipe
print(model.parameters["quality"], Path(toy_recipe.__file__).parent.parent.name, getattr(toy_recipe, "MARK", None))
"""


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "champions"


def fetch(bench: StageBench, cache: Path) -> Path:
    version = bench.bench.registry.champion("toy")
    return fetch_champion(bench.bench.registry, version, cache)


def marked(bench: StageBench, folder: Path, mark: str) -> Path:
    """A version's files, its code with the line MARK = `mark`."""
    source = collect_challenger(bench.bench, bench.study, bench.train(quality=0.6))
    shutil.copytree(source, folder)
    with zipfile.ZipFile(folder / "snapshot.zip", "w") as target, zipfile.ZipFile(source / "snapshot.zip") as packed:
        for name in packed.namelist():
            line = f"\nMARK = '{mark}'\n".encode() if name == "toy_recipe/__init__.py" else b""
            target.writestr(name, packed.read(name) + line)
    return folder


def test_version_1_of_another_registry_answers_with_its_own_code(stage_bench, cache, tmp_path, empty_mlflow):
    stage_bench.register(marked(stage_bench, tmp_path / "one", "old"))
    fetch(stage_bench, cache)
    shutil.copyfile(empty_mlflow, tmp_path / "new.sqlite")
    anew = stage_bench.with_registry(MlflowRegistry(f"sqlite:///{tmp_path / 'new.sqlite'}"))
    assert anew.register(marked(stage_bench, tmp_path / "two", "new")).version == "1"
    assert "MARK = 'new'" in (fetch(anew, cache) / "code" / "toy_recipe" / "__init__.py").read_text()


def test_a_whole_copy_is_not_made_again(stage_bench, cache, monkeypatch):
    stage_bench.make_champion(stage_bench.train(quality=0.6))
    first = fetch(stage_bench, cache)
    monkeypatch.setattr(MlflowRegistry, "download", None)  # copying again would now raise
    assert fetch(stage_bench, cache) == first
    assert sorted(cache.iterdir()) == [first]


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("other")])
def test_a_damaged_copy_is_made_again(stage_bench, cache, damage):
    stage_bench.make_champion(stage_bench.train(quality=0.6))
    model = fetch(stage_bench, cache) / "model.joblib"
    content = model.read_bytes()
    damage(model)
    assert (fetch(stage_bench, cache) / "model.joblib").read_bytes() == content


def test_a_copy_that_was_cut_short_is_in_nobodys_way(stage_bench, cache, monkeypatch):
    stage_bench.make_champion(stage_bench.train(quality=0.6))

    def cut_short(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", cut_short)
        with pytest.raises(KeyboardInterrupt):
            fetch(stage_bench, cache)
    assert list(cache.iterdir()) == []
    assert (fetch(stage_bench, cache) / "code" / "toy_recipe").is_dir()


def test_several_processes_may_fetch_at_once(stage_bench, cache):
    stage_bench.make_champion(stage_bench.train(quality=0.6))
    start, found = threading.Barrier(4), []

    def one() -> None:
        start.wait()
        found.append(fetch(stage_bench, cache))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert sorted(cache.iterdir()) == [found[0]]
    assert (found[0] / "code" / "toy_recipe").is_dir()


def test_the_champion_is_loaded_with_the_code_of_its_version(stage_bench, tmp_path):
    stage_bench.register(marked(stage_bench, tmp_path / "one", "its own"))
    home = stage_bench.bench.settings.home
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "RETUNER_HOME": str(home),
    }
    command = [sys.executable, "-P", "-c", ASK]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split(maxsplit=2) == ["0.6", "code", "its own\n"], done.stderr
