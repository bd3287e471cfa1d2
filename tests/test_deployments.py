"""prefect.yaml and the form that it gives: complete, and in step with the parameters and the flows."""

import importlib
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from cli.installation import AUTOMATIONS, WORK_POOL, complete_form
from flows.retune import retune
from retuner.parameters import Parameters
from retuner.parameters.values import merge_groups, parse_parameters

CHECKOUT = Path(__file__).resolve().parent.parent
DEPLOYMENTS = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())["deployments"]
RETUNES = [one for one in DEPLOYMENTS if one["entrypoint"].startswith("flows/retune.py")]


def _form() -> dict[str, Any]:
    """The form of the deployments, as Prefect makes it from the flow's signature and `retune up` completes it."""
    return complete_form(parameter_schema(retune).model_dump_for_openapi())


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["name"])
def test_every_deployment_is_complete(deployment):
    file, _, function = deployment["entrypoint"].partition(":")
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    assert getattr(module, function).name
    assert deployment["tags"]
    assert deployment["description"].endswith(".")
    assert deployment["work_pool"]["name"] == WORK_POOL
    assert deployment["version"] == tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    for schedule in deployment["schedules"]:
        assert ZoneInfo(schedule["timezone"])
        assert len(schedule["cron"].split()) == 5


@pytest.mark.parametrize("deployment", RETUNES, ids=lambda one: one["name"])
def test_every_parameter_of_a_retune_is_filled_in(deployment):
    values = dict(deployment["parameters"])
    assert values.pop("resume") is None
    parameters = parse_parameters(values)
    assert values.keys() == Parameters.model_fields.keys()
    assert parameters.model_dump(mode="json", exclude_unset=True) == parameters.model_dump(mode="json")
    assert deployment["concurrency_limit"]["limit"] == 1


def test_every_field_of_the_form_has_title_description_and_place():
    form = _form()
    assert form["additionalProperties"] is False
    for name, field in form["properties"].items():
        group = form["definitions"].get(field.get("$ref", "").rpartition("/")[2])
        assert field["title"] == field["title"].capitalize(), name
        assert (field.get("description") or (group or {}).get("description", "")).endswith("."), name
        assert "position" in field, name
        assert group is None or group["additionalProperties"] is False, name
        assert group is not None or "default" in field, name


FORM_FIELDS = [
    pytest.param(field, name in group.get("required", ()), id=f"{kind}.{name}")
    for kind, group in _form()["definitions"].items()
    for name, field in group["properties"].items()
]


@pytest.mark.parametrize(("field", "is_required"), FORM_FIELDS)
def test_every_field_of_a_group_explains_itself_and_has_bounds_and_a_default(field, is_required):
    assert field["title"]
    assert field["description"].endswith(".")
    assert "position" in field or "const" in field
    assert "default" in field or (is_required and field["title"] == "Container")  # a name that nobody can guess
    for kind in field.get("anyOf", [field]):
        match kind["type"]:
            case "integer" | "number":
                assert {"minimum", "exclusiveMinimum"} & kind.keys()
                assert "maximum" in kind
            case "string":
                assert {"enum", "const", "pattern", "minLength"} & kind.keys()
            case "array":
                assert {"enum", "pattern"} & kind["items"].keys()


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [("abc", True), ("a-b", True), ("0" * 63, True), ("0" * 64, False), ("ab", False), ("a--b", False)]
    + [(name, False) for name in ("-abc", "abc-", "Abc", "a_bc", "a" + "-b" * 32)],
)
def test_a_container_is_named_as_azure_takes_it(name, is_valid):
    assert (validate({"storage": {"kind": "blob", "container": name}}, _form()) == []) is is_valid


@pytest.mark.parametrize("wrong", [{"margin": 2e6}, {"min_gain": 2e6}, {"margin": -0.1}])
def test_a_gate_out_of_bounds_is_refused(wrong):
    assert validate({"gate": wrong}, _form())


@pytest.mark.parametrize(("name", "is_valid"), [(None, True), ("churn", True), ("a b", False), ("", False), (3, False)])
def test_the_form_takes_a_model_name_or_none(name, is_valid):
    form = _form()
    faults = validate({"model_name": name}, form)
    assert (faults == []) is is_valid


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("local", {"compute": {"nodes": 2}}),
        ("azure-ml", {"compute": {"max_nodes": 8}, "storage": {"container": "other"}}),
        ("azure-ml", {"registry": {"workspace": "models"}}),
    ],
)
def test_a_request_may_name_a_part_of_a_group_of_either_kind(name, part):
    """What the API checks it against, and what the flow makes of it."""
    validate(part, _form(), raise_on_error=True)
    values = next(one["parameters"] for one in RETUNES if one["name"] == name)
    given = Parameters.model_validate(part).model_dump(mode="json", exclude_unset=True)
    merged = merge_groups({key: value for key, value in values.items() if key != "resume"}, given)
    for group, fields in part.items():
        assert merged[group] == {**values[group], **fields}
        assert type(getattr(parse_parameters(merged), group)) is type(getattr(Parameters.model_validate(part), group))


def test_automations_have_names_of_their_own_and_say_what_they_are_for():
    automations = yaml.safe_load(AUTOMATIONS.read_text())
    names = [one["name"] for one in automations]
    assert len(set(names)) == len(names)
    assert all(one["description"].endswith(".") for one in automations)
