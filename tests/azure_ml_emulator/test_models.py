"""The model registry, asked for by the real SDK."""

import pytest

from azure_ml_emulator.client import SDK_WARNINGS

pytestmark = SDK_WARNINGS


@pytest.fixture
def register(workspace, tmp_path, monkeypatch):
    """Register a folder; the SDK takes nothing outside the working directory."""
    from azureml.core.model import Model

    monkeypatch.chdir(tmp_path)

    def do(name: str, content: str, **options) -> Model:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "model.joblib").write_text(content)
        (folder / "record.json").write_text("{}")
        return Model.register(workspace, "model", name, **options)

    return do


def test_versions_count_up_and_are_listed_newest_first(register, workspace):
    from azureml.core.model import Model

    assert [register("counted", str(number)).version for number in range(3)] == [1, 2, 3]
    assert [model.version for model in Model.list(workspace, "counted")] == [3, 2, 1]
    assert [model.version for model in Model.list(workspace, "counted", latest=True)] == [3]


def test_a_version_downloads_the_files_that_it_was_made_of(register, workspace, tmp_path):
    from azureml.core.model import Model

    register("kept", "first")
    register("kept", "second")
    Model(workspace, "kept", version=1).download(str(tmp_path / "back"))
    assert (tmp_path / "back" / "model" / "model.joblib").read_text() == "first"
    assert (tmp_path / "back" / "model" / "record.json").read_text() == "{}"


def test_versions_are_found_by_tag(register, workspace):
    from azureml.core.model import Model

    register("tagged", "a", tags={"key": "k1"})
    register("tagged", "b", tags={"key": "k2", "champion": "7"})
    assert [model.version for model in Model.list(workspace, "tagged", tags=[["key", "k1"]])] == [1]
    assert [model.version for model in Model.list(workspace, "tagged", tags=["champion"])] == [2]


def test_tags_and_properties_change_without_a_new_version(register, workspace):
    from azureml.core.model import Model

    model = register("changed", "a", tags={"old": "1"}, properties={"study": "s"})
    model.add_tags({"champion": "1"})
    model.remove_tags(["old"])
    model.add_properties({"commit": "abc"})
    found = Model(workspace, "changed", version=1)
    assert (found.tags, found.properties) == ({"champion": "1"}, {"study": "s", "commit": "abc"})


def test_a_deleted_version_is_gone(register, workspace):
    from azureml.core.model import Model
    from azureml.exceptions import WebserviceException

    register("deleted", "a").delete()
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        Model(workspace, "deleted", version=1)
