"""The parameters as flags of `retune run`, and back: what each is called, and the command that repeats a study."""

import json
import shlex
from typing import Any

from retuner.parameters import TAGS, Group, Parameters

RENAMED = {
    "data.source": "data",
    "data.options": "data-options",
    "notify.blocks": "notify",
    "notify.events": "notify-on",
    # the compute target has the same fields, and need not be in the same workspace
    "registry.subscription_id": "registry-subscription-id",
    "registry.resource_group": "registry-resource-group",
    "registry.workspace": "registry-workspace",
    "storage.kind": "storage",
    "registry.kind": "registry",
}
"""Flags that are not called like their field."""


def flag_of(path: str) -> str:
    """The flag of a parameter, given as `trials` of a group is: `search.trials`."""
    return "--" + RENAMED.get(path, path.rpartition(".")[2]).replace("_", "-")


def command_of(parameters: Parameters) -> str:
    """The shell command that starts a retune with these parameters; what is the default is left out."""
    words, defaults = ["retune", "run"], Parameters(recipe=parameters.recipe)
    for name, info in Parameters.model_fields.items():
        value = getattr(parameters, name)
        default = info.default if name == "recipe" else getattr(defaults, name)
        if isinstance(value, Group):
            words += _group_flags(name, value, is_default=type(value) is type(default))
        elif value != default:
            words += [flag_of(name), str(value)]
    return shlex.join(words)


def _group_flags(name: str, group: Group, *, is_default: bool) -> list[str]:
    """Flags of one group; its tag comes first where it is another model than the default one."""
    values = group.model_dump(mode="json")
    words: list[str] = []
    for field, info in type(group).model_fields.items():
        value: Any = getattr(group, field)
        default = is_default if field in TAGS else value == info.get_default(call_default_factory=True)
        if not default:
            words += [flag_of(f"{name}.{field}"), value if isinstance(value, str) else json.dumps(values[field])]
    return words
