"""Plain values to parameters: merged group by group, checked, and every fault told at once."""

from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from retuner.errors import UserError
from retuner.parameters import TAGS, Group, Parameters

Form = TypeVar("Form", bound=Group)
_WRITTEN = ("dict_type", "string_pattern_mismatch", "tuple_type")
"""Faults of how a value is written."""


def merge_groups(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """`override` on top of `base`, group by group: what it does not name stays, unless it is of another kind."""
    merged = dict(base)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both and _is_same_kind(merged[key], value) else value
    return merged


def _is_same_kind(base: dict[str, Any], override: dict[str, Any]) -> bool:
    return all(base[tag] == override[tag] for tag in TAGS if tag in base and tag in override)


def parse_parameters(values: dict[str, Any]) -> Parameters:
    """Validate the parameters of `retune run`; errors as from `parse_form`."""
    return parse_form(values, Parameters)


def parse_form(values: dict[str, Any], form: type[Form]) -> Form:
    """Validate nested plain values. Raises UserError that names every wrong field, its value and what is allowed."""
    try:
        return form.model_validate(values)
    except ValidationError as error:
        items = error.errors(include_url=False)
        faults = "; ".join(_fault(item, values, form) for item in items if _is_meant(item["loc"], values, form))
        raise UserError(f"Wrong parameters: {faults}.") from None


def group_models(annotation: Any) -> tuple[type[Group], ...]:
    """The models that a parameter may be given as: one, or the members of a union; none for a plain value."""
    return tuple(member for member in get_args(annotation) or (annotation,) if hasattr(member, "model_fields"))


def _meant_model(group: str, values: dict[str, Any], form: type[Group]) -> type[Group] | None:
    """The model that the values of `group` are most likely meant for: by its tag, else by the names that fit."""
    field = form.model_fields.get(group)
    models = group_models(field.annotation) if field else ()
    given = values.get(group)
    if not models or not isinstance(given, dict):
        return models[0] if models else None

    def fit(model: type[Group]) -> tuple[bool, int]:
        fields = model.model_fields
        tagged = any(name in fields and fields[name].default == given[name] for name in given if name in TAGS)
        return tagged, len(fields.keys() & given.keys())

    return max(models, key=fit)


def _is_meant(location: tuple[str | int, ...], values: dict[str, Any], form: type[Group]) -> bool:
    """Whether a fault is of the model that was meant: pydantic tells the faults of every member of a union."""
    field = form.model_fields.get(str(location[0]))
    if field is None or len(group_models(field.annotation)) < 2:
        return True
    model = _meant_model(str(location[0]), values, form)
    return model is not None and location[1:2] == (model.__name__,)


def _fault(item: Any, values: dict[str, Any], form: type[Group]) -> str:
    group, *rest = item["loc"]
    model = _meant_model(str(group), values, form)
    path = [group, *(part for part in rest if model is None or part != model.__name__)]
    name = ".".join(str(part) for part in path)
    if item["type"] == "extra_forbidden":
        known = model if len(path) > 1 and model else form
        return f"{name} is not a parameter (known here: {', '.join(known.model_fields)})"
    if item["type"] == "missing":
        return f"{name} is missing"
    if item["type"] == "value_error":  # our own checks; the value may be what must not be shown
        return f"{name}: {item['ctx']['error']}"
    message = item["msg"][0].lower() + item["msg"][1:]
    names = [part for part in path[1:] if isinstance(part, str)]
    field = model.model_fields.get(names[0]) if model is not None and names else None
    if item["type"] in _WRITTEN and field is not None and field.description:  # a pattern says little to people
        message += f" ({field.description.rstrip('.')})"
    return f"{name} = {item['input']!r}: {message}"
