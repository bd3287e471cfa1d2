"""Flags of `run` and `plan`, made from the parameter models: one a field, so that form, file and flags agree."""

import argparse
import json
import re
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from types import ModuleType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from retuner.errors import UserError
from retuner.parameters import TAGS, Group, Parameters
from retuner.parameters.flags import flag_of
from retuner.parameters.values import Form, group_models, merge_groups, parse_form

UNITS = {"seconds": "SECONDS", "minutes": "MINUTES", "cost": "USD", "price": "USD"}
"""What a number is counted in, by a word of its field."""


def load(module: str) -> ModuleType:
    """Import the module of a command when it is called."""
    return import_module(module)


def add_parameter_flags(
    parser: argparse.ArgumentParser,
    names: Collection[str] | None = None,
    *,
    form: type[Group] = Parameters,
    without: Collection[str] = (),
) -> None:
    """Add `--trials`, `--seed`, ... grouped as the parameters are. Values are checked by the models, not here.

    `names` are the parameters of the form that the command looks at, all of them unless told; `without` are fields
    that it has flags of its own for.
    """
    for name in form.model_fields if names is None else names:
        info = form.model_fields[name]
        models = group_models(info.annotation)
        if not models:
            _add_flag(parser, name, info)
        for number, model in enumerate(models):
            group = parser.add_argument_group(name, (model.__doc__ or "").strip())
            if len(models) > 1 and number == 0:
                _add_tag_flag(group, name, models)
            for field, field_info in model.model_fields.items():
                if field not in TAGS and field not in without:
                    _add_flag(group, f"{name}.{field}", field_info)


def read_parameters(options: argparse.Namespace, base: dict[str, Any]) -> dict[str, Any]:
    """Nested plain values: `base`, overridden by the parameter file, overridden by the flags."""
    values = base
    if options.parameters:
        values = merge_groups(values, _read_file(Path(options.parameters)))
    flags: dict[str, Any] = {}
    for path, value in _given(options).items():
        for key in reversed(path.split(".")):
            value = {key: value}
        flags = merge_groups(flags, value)
    return merge_groups(values, flags)


def name_flags(sentence: str, options: argparse.Namespace) -> str:
    """The sentence with the flag behind each field that it names, where the person gave the field as a flag."""
    for path in _given(options):
        flag = flag_of(path)
        if "." in path and flag not in sentence:  # a field without a group is called like its flag
            sentence = re.sub(rf"(?<![\w.]){re.escape(path)}(?!\w|\.\w)", f"{path} ({flag})", sentence, count=1)
    return sentence


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The values of the parameters that were given as flags, by field."""
    prefix = "parameter:"
    return {
        name.removeprefix(prefix): value
        for name, value in vars(options).items()
        if name.startswith(prefix) and value is not None
    }


def read_form(options: argparse.Namespace, form: type[Form]) -> Form:
    """The parameters of a command beside `run`; it takes a file made for `run`, and leaves out what that has more."""
    values = read_parameters(options, {})
    foreign = Parameters.model_fields.keys() - form.model_fields.keys()
    return parse_form({name: value for name, value in values.items() if name not in foreign}, form)


def _add_tag_flag(parser: Any, group: str, models: tuple[type[Group], ...]) -> None:
    """The flag that says which of a group's models is meant; without it the names of the fields do."""
    tag = next(field for field in models[0].model_fields if field in TAGS)
    default, *others = (str(model.model_fields[tag].default) for model in models)
    parser.add_argument(
        flag_of(f"{group}.{tag}"),
        dest=f"parameter:{group}.{tag}",
        choices=(default, *others),
        help=f"{models[0].model_fields[tag].title}; the fields that are given tell as well. Default: {default}.",
    )


def _add_flag(parser: Any, path: str, info: FieldInfo) -> None:
    help_text = (info.description or "").replace("%", "%%")
    default = info.get_default(call_default_factory=True)
    if not info.is_required() and default not in (None, "", {}, ()):
        help_text += f" Default: {json.dumps(default) if isinstance(default, tuple) else default}."
    parser.add_argument(
        flag_of(path),
        dest=f"parameter:{path}",
        type=_reader(info.annotation),
        metavar=_placeholder(path, info.annotation),
        help=help_text.strip(),
    )


def _placeholder(path: str, annotation: Any) -> str:
    """The values where there are few, else the unit, N for a count, or the last word of the field."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    if bool in members:
        return "{true,false}"
    values = [str(value) for member in members if get_origin(member) is Literal for value in get_args(member)]
    if values:
        return f"{{{','.join(values)}}}"
    words = path.rpartition(".")[2].split("_")
    if units := [UNITS[word] for word in words if word in UNITS]:
        return units[0]
    return "N" if int in members else words[-1].upper()


def _is_text(annotation: Any) -> bool:
    """Whether a field takes any text, so that `--data 2024` is a name and not a number."""
    if get_origin(annotation) in (Union, UnionType):
        return any(_is_text(member) for member in get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _is_text(get_args(annotation)[0])
    return annotation is str


def _reader(annotation: Any) -> Callable[[str], Any]:
    """What makes a value of the text that is given for a field."""
    if _is_text(annotation):
        return str
    return _parse_list if get_origin(annotation) is tuple else _parse


def _parse(text: str) -> Any:
    """JSON scalars and objects where the text is one, the text itself elsewhere."""
    try:
        return json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith(("{", "[")):
            raise argparse.ArgumentTypeError(f"{text} is not valid JSON: {error}") from None
        return text


def _parse_list(text: str) -> Any:
    """A JSON array, or what stands between commas."""
    return _parse(text) if text.lstrip().startswith("[") else [part.strip() for part in text.split(",")]


def _read_file(file: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(file.read_text())
    except OSError as error:
        raise UserError(f"The parameter file {file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        words = " ".join(str(error).split())
        raise UserError(f"The parameter file {file} is neither YAML nor JSON: {words}.") from None
    if not isinstance(values, dict):
        raise UserError(f"The parameter file {file} must hold groups of parameters, such as 'search: {{trials: 24}}'.")
    return values
