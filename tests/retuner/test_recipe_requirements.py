"""What a recipe of a user's own needs: read from its package, and carried to the nodes and to the model."""

import pytest

from retuner.compute.azure_ml_environment import node_environment
from retuner.compute.dask_cluster import Worker, _fault_of
from retuner.compute.snapshot import make_snapshot
from retuner.errors import UserError
from retuner.registry.mlflow_model import _requirements
from retuner_training.versions import library_versions


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose requirements.txt is given; makes its snapshot."""
    root = tmp_path / "code" / "needy_recipe"
    root.mkdir(parents=True)
    (root / "__init__.py").write_text("recipe = None\n")
    monkeypatch.syspath_prepend(tmp_path / "code")

    def snapshot(requirements):
        (root / "requirements.txt").write_text(requirements)
        return make_snapshot("needy_recipe:recipe", tmp_path / "snapshots")

    return snapshot


def texts(snapshot):
    return [str(one) for one in snapshot.requirements]


def test_requirements_are_read_from_the_snapshot(package):
    lines = "# ours\nshap>=0.46,<1  # values\n\npolars ; python_version>'3'\nold; python_version<'3'\n"
    assert texts(package(lines)) == ["shap<1,>=0.46", 'polars; python_version > "3"']


def test_a_built_in_recipe_has_none(tmp_path):
    assert make_snapshot("tabular", tmp_path).requirements == ()


@pytest.mark.parametrize("line", ["-e .", "--index-url https://host/simple", "shap @ https://host/shap.whl", "a b"])
def test_what_is_no_package_is_refused_with_its_line(package, line):
    with pytest.raises(UserError, match=r"needy_recipe/requirements\.txt, line 2: .* cannot be installed on nodes"):
        package(f"shap\n{line}\n")


def test_the_environment_of_the_nodes_holds_them_and_has_another_name(package):
    plain = node_environment(None)
    one, two = (
        node_environment(None, requirements=package(text).requirements)
        for text in ("shap==0.46\n", "shap==0.47; python_version>'3'\n")
    )
    assert len({plain.name, one.name, two.name}) == 3
    assert one.dockerfile.startswith(plain.dockerfile)
    last = one.dockerfile.strip().splitlines()[-1]
    assert last.startswith("RUN pip install --no-cache-dir 'adal==")
    assert last.endswith(" shap==0.46")
    assert two.dockerfile.strip().endswith(""" 'shap==0.47; python_version > "3"'""")
    assert node_environment("image:1", requirements=package("shap\n").requirements) == node_environment("image:1")


def test_a_worker_that_lacks_one_is_named():
    worker, own = Worker("id", "tcp://10.0.0.7:4000", has_nanny=True, threads=1), ("shap",)
    ours = library_versions(own)
    assert ours["shap"] == "missing"
    fault = _fault_of(worker, ours, own)
    assert fault.startswith("The Dask worker tcp://10.0.0.7:4000 lacks shap, which the recipe's requirements.txt names")


def test_the_registered_model_names_those_that_are_installed_here(package):
    ours = library_versions(["optuna"])
    assert f"optuna=={ours['optuna']}" in _requirements(package("optuna\nshap\nnumpy\n").path)
    assert [line for line in _requirements(package("shap\nnumpy\n").path) if "shap" in line] == []
