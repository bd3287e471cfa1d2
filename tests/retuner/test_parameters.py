"""The form: what a person may fill in, and what is said of a wrong value."""

import pytest

from retuner.errors import UserError
from retuner.parameters import AzureMlRegistry, BlobStorage, FolderStorage, MlflowRegistry, Parameters
from retuner.parameters.values import group_models, parse_parameters

REQUIRED = {"BlobStorage.container"}
"""What nothing can be assumed about."""


def test_the_defaults_are_a_valid_form():
    parameters = parse_parameters({})
    assert parameters.search.trials == 24
    assert parameters.recipe == "faq_ranker"


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("faq_ranker", "FAQ_ranker"),
        ("faq_reference", "FAQ_ranker"),
        ("tabular", "tabular"),
        ("my_package.my_module:recipe", "my_package_my_module"),
        ("my_package.my_module:flowers", "my_package_my_module_flowers"),
        ("_hidden._9:__", "hidden_9"),
        ("ümlaut.modül:recipe", "mlaut_mod_l"),
        ("_9:recipe", "model_9"),
        ("long" * 30, ("long" * 30)[:64]),
    ],
)
def test_a_model_without_a_name_is_called_by_its_recipe(recipe, name):
    for left_out in ({"recipe": recipe}, {"recipe": recipe, "model_name": None}):
        assert parse_parameters(left_out).model_name == name
    assert parse_parameters({"recipe": recipe, "model_name": "mine"}).model_name == "mine"
    assert parse_parameters({"recipe": recipe, "model_name": name}) == parse_parameters({"recipe": recipe})


def test_an_override_keeps_what_it_does_not_name():
    parameters = parse_parameters({"search": {"trials": 3}, "data": {"min_text": 0}})
    assert (parameters.search.trials, parameters.search.sampler) == (3, "tpe")
    assert (parameters.data.min_text, parameters.data.source) == (0, "sample")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"search": {"trials": 0}}, "search.trials = 0: input should be greater than or equal to 1"),
        ({"search": {"trails": 5}}, "search.trails is not a parameter (known here: trials, parallel"),
        ({"serach": {}}, "serach is not a parameter (known here: model_name, recipe"),
        ({"model_name": "a b"}, "model_name = 'a b'"),
        ({"compute": {"address": "localhost"}}, "compute.address = 'localhost'"),
        ({"search": 5}, "search = 5"),
        ({"storage": {"contaner": "a"}}, "storage.contaner is not a parameter (known here: kind, folder)"),
        ({"storage": {"container": "a--b"}}, "storage.container = 'a--b': string should match"),
        (
            {"storage": {"container": "abc", "folder": "/x"}},
            "storage.container is not a parameter (known here: kind, f",
        ),
        ({"storage": {"kind": "blob", "prefix": "x"}}, "storage.container is missing"),
        ({"storage": {"container": "abc", "account_url": "https://a/b?sig=x"}}, "storage.account_url"),
        ({"storage": 5}, "storage = 5"),
        ({"compute": {"target": "azure_ml", "cluster": "9"}}, "compute.cluster = '9': string should match"),
        ({"registry": {"resource_group": "g", "workspace": ""}}, "registry.workspace = ''"),
        ({"search": {"space": "nonsense"}}, 'a valid dictionary (Ranges by hyperparameter, such as {"trees": '),
        ({"notify": {"blocks": ["ours"]}}, "(Prefect blocks as type/name, such as slack-webhook/our-team; empty"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(values, words):
    with pytest.raises(UserError) as caught:
        parse_parameters(values)
    assert words in str(caught.value)


def test_the_fields_tell_the_kinds_of_storage_apart():
    assert isinstance(parse_parameters({"storage": {"folder": "/store"}}).storage, FolderStorage)
    assert isinstance(parse_parameters({"storage": {"container": "retunes"}}).storage, BlobStorage)


def test_the_fields_tell_the_registries_apart():
    place = {"subscription_id": "s", "resource_group": "g", "workspace": "w"}
    assert isinstance(parse_parameters({"registry": {"tracking_uri": "http://host"}}).registry, MlflowRegistry)
    assert isinstance(parse_parameters({"registry": place}).registry, AzureMlRegistry)


def test_all_faults_are_told_at_once():
    with pytest.raises(UserError) as caught:
        parse_parameters({"search": {"trials": 0, "seed": -1}})
    assert "search.trials" in str(caught.value)
    assert "search.seed" in str(caught.value)


def test_every_field_explains_itself_in_the_form():
    """Title, a description that ends with a period, a default and a place; no field that the form shows as `Any`."""
    for model in (model for group in Parameters.model_fields.values() for model in group_models(group.annotation)):
        schema = model.model_json_schema()["properties"]
        for name, field in model.model_fields.items():
            where = f"{model.__name__}.{name}"
            assert field.title, where
            assert (field.description or "").endswith("."), where
            assert field.is_required() == (where in REQUIRED), where
            assert {"type", "anyOf", "enum", "const", "$ref"} & set(schema[name]), where
            assert "position" in schema[name] or "const" in schema[name], where


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"data": {"source": "https://host/raw?sig=topsecret"}}, "data.source"),
        ({"registry": {"tracking_uri": "postgresql://user:topsecret@host/mlflow"}}, "registry.tracking_uri"),
    ],
)
def test_a_secret_in_a_parameter_is_refused_and_not_repeated(values, name):
    with pytest.raises(UserError, match=f"{name}: it holds a query or a password") as caught:
        parse_parameters(values)
    assert "topsecret" not in str(caught.value)
