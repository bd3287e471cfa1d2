"""docs/model.md: its code runs as it stands, in a process that has the libraries alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest
from faq_tables import make_tables
from tabular_tables import make_customers

from retuner.compute.snapshot import make_snapshot
from retuner.registry.mlflow import MlflowRegistry
from retuner.registry.registry import Metadata
from retuner.registry.version_record import MODEL, SEEN, SIGNATURE, SNAPSHOT
from retuner_training.model import save_model
from retuner_training.progress import Progress
from retuner_training.recipe import Resources, load_recipe

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "model.md").read_text()
CHECKS = """
assert list(answers[0]) == ["id", "question", "answer", "probability"] and len(answers) == 3
assert faq.shape == (2,) and ((0 <= faq) & (faq <= 1)).all()
assert probabilities.shape == (2, 3) and list(probabilities) == ["maybe", "no", "yes"]
assert abs(probabilities.sum(axis="columns") - 1).max() < 1e-9
assert churn.metadata.signature.inputs.input_names() == ["age", "plan", "city"]
import retuner_training
print(retuner_training.__file__)
"""
CHECK_FILE = """
assert saved.predict_proba(customers).shape == (2, 3)
assert list(saved.answer('{"age": 31}', top=2)[0]) == ["class", "probability"]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A RETUNER_HOME with a champion of each built-in problem."""
    home = tmp_path_factory.mktemp("home") / ".retuner"
    customers = make_customers().drop(columns="paid")
    customers.to_csv(home.parent / "customers.csv", index=False)
    options = {"target_column": "churned", "split_seed": 0, "faulty_rows": "refuse"}
    recipe = load_recipe("tabular")
    register(home, "churn", "tabular", *recipe.prepare(home.parent / "customers.csv", options))
    register(home, "FAQ_ranker", "faq_ranker", make_tables(), {})
    return home


def register(home, name, recipe_name, tables, statistics):
    """Train a small model and make it the champion."""
    recipe, folder = load_recipe(recipe_name), home / name
    folder.mkdir(parents=True)
    model = recipe.fit(tables, {"trees": 10}, Progress(), Resources())
    save_model(folder / MODEL, model, recipe=recipe_name, parameters={}, metrics={})
    recipe.seen(tables).to_frame("key").to_parquet(folder / SEEN)
    (folder / SIGNATURE).write_text(json.dumps(recipe.signature(statistics)))
    shutil.copyfile(make_snapshot(recipe_name, home / "snapshots").path, folder / SNAPSHOT)
    registry = MlflowRegistry(f"sqlite:///{home}/mlflow/mlflow.sqlite", artifact_root=home / "artifacts")
    made = registry.register(name, folder, Metadata(metrics={}, parameters={}, tags={}), f"{name}-1")
    registry.set_champion(name, made.version)


def run(code, folder, *, stderr=False):
    """Run `code` where neither the checkout nor the editable install is on the path."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": sysconfig.get_path("purelib")}
    command = [sys.executable, "-S", "-P", "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr if stderr else done.stdout


def test_the_code_of_the_page_runs_in_another_program(home, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.replace("/absolute/path/to/.retuner", str(home)), re.DOTALL)
    load, faq, ask, table, alone = (block for block in blocks if "azureml" not in block)
    said = run("".join([load, faq, "faq = probabilities\n", ask, table, CHECKS]), tmp_path)
    assert str(home) in said  # the code came with the version
    first, _ = sorted(home.glob(f"artifacts/**/data/{MODEL}"), key=lambda file: file.stat().st_mtime_ns)
    place = f"import sys\nimport pandas as pd\nsys.path.insert(0, {str(first.parents[1] / 'code')!r})\n"
    customers = table[table.index("customers =") : table.index("probabilities")]
    run("".join([place, customers, alone.replace("FOLDER/data/model.joblib", str(first)), CHECK_FILE]), tmp_path)


def test_what_a_model_needs_is_what_is_installed_here(home):
    lines = [line for file in home.glob("artifacts/**/requirements.txt") for line in file.read_text().splitlines()]
    needed = dict(line.split("==") for line in lines)
    assert needed == {name: version(name) for name in needed}
    assert {"lightgbm", "mlflow-skinny", "scikit-learn", "sqlalchemy"} <= set(needed)


def test_a_version_whose_code_is_not_the_one_of_the_process_is_warned_of(home, tmp_path):
    first, second = sorted(file.parents[1] for file in home.glob(f"artifacts/**/data/{MODEL}"))
    changed = shutil.copytree(second, tmp_path / "changed")
    with (changed / "code" / "retuner_training" / "model.py").open("a") as code:
        code.write("# of another day\n")
    program = "import mlflow\nfor folder in {}: mlflow.pyfunc.load_model(folder)"
    assert "of its own" not in run(program.format([str(first), str(second)]), tmp_path, stderr=True)
    assert f"{changed}/data" in run(program.format([str(first), str(changed)]), tmp_path, stderr=True)
