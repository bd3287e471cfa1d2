"""The command that repeats a study: its flags, read back, are its parameters."""

import shlex

import pytest

from cli import arguments
from cli.main import build_parser
from retuner.parameters.flags import command_of
from retuner.parameters.values import parse_parameters

AZURE = {"target": "azure_ml", "subscription_id": "s", "resource_group": "g", "workspace": "w", "max_nodes": 16}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model_name": "support", "recipe": "faq_reference"},
        {"search": {"trials": 96, "seed": 7, "space": {"trees": {"low": 5, "high": 9}, "kind": ["a b", None]}}},
        {"data": {"source": "/data/my faq", "options": {"min_text": 0}}},
        {"compute": AZURE, "registry": {"kind": "azure_ml", "workspace": "keeps"}},
        {"storage": {"kind": "blob", "container": "retuner", "prefix": "a/b"}},
        {"notify": {"blocks": ["slack-webhook/ops"], "events": ["failure"]}, "start": {"skip_if_unchanged": True}},
    ],
)
def test_the_command_gives_the_same_parameters(values):
    parameters = parse_parameters(values)
    program, *argv = shlex.split(command_of(parameters))
    options = build_parser().parse_args(argv)
    assert program == "retune"
    assert parse_parameters(arguments.read_parameters(options, {})) == parameters


def test_defaults_are_left_out():
    assert command_of(parse_parameters({"recipe": "tabular"})) == "retune run --recipe tabular"
    assert command_of(parse_parameters({"recipe": "tabular", "model_name": "churn"})) == (
        "retune run --model-name churn --recipe tabular"
    )
    assert command_of(parse_parameters({})) == "retune run"
    assert command_of(parse_parameters({"search": {"seed": 3}})) == "retune run --seed 3"
