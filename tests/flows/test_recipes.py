"""Other recipes through the whole flow: the built-in one for tables, and the one that docs/recipes.md shows."""

import json
import re
from pathlib import Path

from azure_ml_emulator.client import SDK_WARNINGS
from azure_retune import AzureRetune, emulated
from retune_command import NO_PROBE
from sklearn.datasets import load_breast_cancer
from tabular_tables import make_customers

CHECKOUT = Path(__file__).resolve().parents[2]
SEARCH = ("--trials", "3", "--nodes", "2", "--sampler", "random", *NO_PROBE, "--json")


def run(retune, *arguments):
    done = retune("run", *arguments, *SEARCH)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_table_ends_in_a_champion_that_the_next_model_must_beat_with_a_smaller_loss(retune):
    table = make_customers(1200)
    table.head(500).to_csv(retune.folder / "old.csv", index=False)
    table.to_parquet(retune.folder / "new.parquet")
    recipe = ("--recipe", "tabular", "--target-column", "churned", "--model-name", "churn")
    space = ("--space", json.dumps({"trees": {"low": 50, "high": 60}, "min_child_samples": {"low": 5, "high": 20}}))

    first = run(retune, *recipe, *space, "--data", "old.csv")
    assert first["best"]["metric"] == "log_loss"
    assert first["test"].keys() == {"log_loss", "accuracy"}
    assert first["model"]["champion"]

    better = run(retune, *recipe, *space, "--data", "new.parquet")
    assert better["test"]["log_loss"] < first["test"]["log_loss"]
    assert re.search(r"the new model's log_loss is .* the difference is -.*, which is better", better["decision"])
    assert better["model"]["version"] == "2"

    worse = run(
        retune, *recipe, "--data", "new.parquet", "--space", '{"trees": 50, "learning_rate": 0.02, "num_leaves": 4}'
    )
    assert re.search(r"the difference is \+.*, which is not better", worse["decision"])
    assert not worse["model"]["champion"]

    answer = retune("ask", "--model-name", "churn", '{"plan": "gift", "paid": true}')
    assert re.match(r"1\. yes  \(\d+%\)\n2\. ", answer.stdout), answer.stderr
    refused = retune("ask", "--model-name", "churn", '{"colour": "red"}')
    assert refused.returncode == 1
    assert refused.stderr == "retune: The model knows no column 'colour': it knows age, plan, city, paid.\n"


def test_the_table_sample_is_tuned_on_dask(retune):
    document = run(retune, "--recipe", "tabular", "--space", '{"trees": {"low": 20, "high": 40}}')
    assert document["trials"]["completed"] == 3
    assert document["model"] == {"name": "tabular", "version": "1", "champion": True, "uri": "models:/tabular/1"}
    assert document["test"]["accuracy"] > 0.85  # two thirds of the cases are benign
    first = load_breast_cancer(as_frame=True).data.iloc[0].to_dict()  # a malignant one
    answer = retune("ask", "--model-name", "tabular", json.dumps(first))
    assert answer.stdout.startswith("1. malignant  ("), answer.stderr


def test_the_recipe_of_the_page_is_tuned_as_it_stands(retune):
    (code,) = re.findall(
        r"```python\n(# my_package/my_module.py\n.*?)```", (CHECKOUT / "docs" / "recipes.md").read_text(), re.S
    )
    package = retune.folder / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "my_module.py").write_text(code)
    (package / "requirements.txt").write_text("scikit-learn  # what it imports\n")
    retune.environment["PYTHONPATH"] += f":{retune.folder}"
    recipe = ("--recipe", "my_package.my_module:recipe")

    document = run(retune, *recipe)
    assert document["trials"]["completed"] == 3
    assert document["test"]["accuracy"] > 0.8
    assert document["model"]["name"] == "my_package_my_module"
    answer = retune("ask", "--model-name", document["model"]["name"], "5.1,3.5,1.4,0.2", "--top", "1")
    assert answer.stdout.startswith("1. 0  ("), answer.stderr

    refused = retune("run", *recipe, "--data-options", '{"colour": "red"}')
    assert refused.returncode == 1
    assert "'flowers' has no use for colour: its options are species, split_seed, faulty_rows" in refused.stderr


@SDK_WARNINGS
def test_the_table_sample_is_tuned_on_azure_ml(azurite_https, tmp_path):
    with emulated(azurite_https) as emulator:
        retune = AzureRetune(tmp_path, emulator, azurite_https)
        search = {"trials": 3, "sampler": "random", "stopping": "none", "space": {"trees": {"low": 50, "high": 60}}}
        process = retune.start(*retune.azure("--json", trials=3, nodes=2, recipe="tabular", search=search))
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert document["trials"]["completed"] == 3
    assert 0 < document["best"]["value"] < 1
    assert document["test"].keys() == {"log_loss", "accuracy"}
    assert document["model"]["champion"]
