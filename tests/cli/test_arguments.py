"""Flags, parameter file and defaults: who wins."""

from functools import partial

import pytest

from cli import arguments
from cli.main import build_parser
from retuner.errors import UserError
from retuner.parameters import TAGS, AzureMlCompute, AzureMlRegistry, DaskCompute, MlflowRegistry, Parameters
from retuner.parameters.values import group_models, parse_parameters


def parse(*argv: str, base: dict | None = None) -> dict:
    return arguments.read_parameters(build_parser().parse_args(["run", *argv]), base or {})


def test_flags_reach_their_fields():
    values = parse("--data", "sample", "--trials", "4", "--nodes", "2", "--min-text", "0", "--seed", "7")
    parameters = parse_parameters(values)
    assert parameters.data.source == "sample"
    assert parameters.data.min_text == 0
    assert (parameters.search.trials, parameters.search.seed) == (4, 7)
    assert parameters.compute.nodes == 2


def test_a_flag_beats_the_file_and_the_file_beats_the_base(tmp_path):
    file = tmp_path / "weekly.yaml"
    file.write_text("search: {trials: 50, sampler: random}\n")
    base = {"search": {"trials": 10, "seed": 3}}
    values = parse("--parameters", str(file), "--sampler", "qmc", base=base)
    assert values["search"] == {"trials": 50, "sampler": "qmc", "seed": 3}


def test_space_overrides_are_json():
    values = parse("--space", '{"trees": {"low": 5, "high": 9}}')
    assert parse_parameters(values).search.space == {"trees": {"low": 5, "high": 9}}


@pytest.mark.parametrize(
    "written", ["slack-webhook/ours,sendgrid-email/ours", '["slack-webhook/ours", "sendgrid-email/ours"]']
)
def test_a_list_may_be_written_with_commas(written):
    assert parse_parameters(parse("--notify", written)).notify.blocks == ("slack-webhook/ours", "sendgrid-email/ours")


def test_json_that_is_none_is_refused_as_such(capsys):
    with pytest.raises(SystemExit):
        parse("--space", '{"trees": ')
    assert '--space: {"trees":  is not valid JSON: Expecting value' in capsys.readouterr().err


def test_help_names_the_values_of_a_flag_that_takes_few(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["run", "--help"])
    told = capsys.readouterr().out
    assert "--sampler {tpe,random,grid,qmc}" in told
    assert "--low-priority {true,false}" in told
    assert "--trials N" in told
    assert "--seconds-per-trial SECONDS" in told
    assert "--max-cost USD" in told


def test_every_parameter_has_exactly_one_flag():
    run = next(action.choices["run"] for action in build_parser()._subparsers._group_actions if action.choices)
    flags = [action.dest.removeprefix("parameter:") for action in run._actions if action.dest.startswith("parameter:")]
    wanted = set()
    for name, group in Parameters.model_fields.items():
        models = group_models(group.annotation)
        fields = [field for model in models for field in model.model_fields if field not in TAGS or len(models) > 1]
        wanted |= {f"{name}.{field}" for field in fields} if models else {name}
    assert sorted(flags) == sorted(wanted)


@pytest.mark.parametrize(
    ("argv", "kind"),
    [
        ((), DaskCompute),
        (("--target", "azure_ml"), AzureMlCompute),
        (("--workspace", "w"), AzureMlCompute),
        (("--nodes", "2"), DaskCompute),
    ],
)
def test_the_compute_target_is_chosen_by_its_flag_or_by_the_fields_that_are_given(argv, kind):
    assert isinstance(parse_parameters(parse(*argv)).compute, kind)


def test_another_target_begins_anew():
    base = {"compute": {"target": "dask", "address": "tcp://somewhere:8786"}}
    assert parse("--target", "azure_ml", "--workspace", "w", base=base)["compute"] == {
        "target": "azure_ml",
        "workspace": "w",
    }


def test_two_groups_with_a_field_of_one_name_have_a_flag_each():
    values = parse("--workspace", "trains", "--registry", "azure_ml", "--registry-workspace", "keeps")
    parameters = parse_parameters(values)
    assert (parameters.compute.workspace, parameters.registry.workspace) == ("trains", "keeps")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"search: [", "is neither YAML nor JSON"),
        (b"\xff\xfe\x00", "is neither YAML nor JSON"),
        (b"- a\n- b\n", "must hold groups of parameters"),
    ],
)
def test_an_unusable_parameter_file_is_named(tmp_path, content, words):
    file = tmp_path / "parameters.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        parse("--parameters", str(file))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_parameter_file_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        parse("--parameters", str(tmp_path / "none.yaml"))


def test_a_text_that_looks_like_a_number_stays_a_text():
    values = parse("--data", "2024", "--model-name", "true", "--trials", "5")
    assert (values["data"]["source"], values["model_name"], values["search"]["trials"]) == ("2024", "true", 5)


def test_the_workspace_of_the_registry_has_flags_of_its_own():
    flags = ("--registry-subscription-id", "s", "--registry-resource-group", "g", "--registry-workspace", "w")
    assert parse_parameters(parse(*flags)).registry == AzureMlRegistry(
        subscription_id="s", resource_group="g", workspace="w"
    )


def test_retune_ask_looks_where_the_parameter_file_says(tmp_path):
    file = tmp_path / "weekly.yaml"
    file.write_text("model_name: mine\nsearch: {trials: 50}\nregistry: {tracking_uri: 'sqlite:////a'}\n")
    options = build_parser().parse_args(["ask", "how?", "--parameters", str(file), "--tracking-uri", "sqlite:////b"])
    parameters = parse_parameters(arguments.read_parameters(options, {}))
    assert parameters.model_name == "mine"
    assert parameters.registry == MlflowRegistry(tracking_uri="sqlite:////b")


def test_a_field_is_told_with_its_flag_where_the_flag_was_given():
    options = build_parser().parse_args(["run", "--trials", "0", "--address", "tcp://a:1", "--space", "{}"])
    name = partial(arguments.name_flags, options=options)
    assert name("search.trials = 0: too few") == "search.trials (--trials) = 0: too few"
    assert name("correct compute.address; it") == "correct compute.address (--address); it"
    assert name("search.space.trees and search.sampler") == "search.space.trees and search.sampler"
    assert name("search.trials, --trials") == "search.trials, --trials"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "--trails", "3"), "retune run: error: unrecognized arguments: --trails 3 (did you mean --trials?)"),
        (("ask", "why?", "--tpo=3"), "retune ask: error: unrecognized arguments: --tpo=3 (did you mean --top?)"),
        (("status", "one", "two"), "retune status: error: unrecognized arguments: two"),
    ],
)
def test_wrong_usage_is_told_by_the_command_that_was_meant(argv, words, capsys):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(argv)
    usage, *_, last = capsys.readouterr().err.splitlines()
    assert (ended.value.code, last) == (2, words)
    assert usage.startswith(f"usage: retune {argv[0]} [")
