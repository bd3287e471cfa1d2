"""The search space: the recipe's ranges with the person's overrides, checked once, as plain data.

A validated space maps each name to one of

    {"type": "int" | "float", "low": .., "high": .., "log": bool, "step": number or None}
    {"type": "categorical", "choices": [..]}

with its names sorted. It is JSON as it is: it goes into the ledger and into the study's fingerprint.
"""

import math
from collections.abc import Mapping
from typing import Any

from retuner.errors import UserError
from retuner_training.recipe import Dimension

Space = dict[str, dict[str, Any]]

_RANGE_FIELDS = ("type", "low", "high", "log", "step")
_SCALARS = (str, int, float, bool, type(None))


def validate_space(space: Mapping[str, Dimension], overrides: Mapping[str, Any] | None = None) -> Space:
    """The space to search. An override is a (partial) range, a list or `{"choices": [..]}`, or one fixed value.

    Raises UserError that names every wrong hyperparameter at once.
    """
    overrides = overrides or {}
    known = ", ".join(sorted(space))
    faults = [f"there is no hyperparameter '{name}' (known: {known})" for name in overrides if name not in space]
    valid: Space = {}
    for name in sorted(space):
        try:
            valid[name] = _dimension(space[name], overrides[name]) if name in overrides else _checked(space[name])
        except ValueError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise UserError(f"The search space cannot be used: {'; '.join(faults)}.")
    if not valid:
        raise UserError("The search space is empty: the recipe must name at least one hyperparameter to tune.")
    return valid


def _dimension(base: Dimension, override: Any) -> dict[str, Any]:
    """`base` with the override in it; ValueError says what is wrong with it."""
    if isinstance(override, list | tuple):
        return _checked_choices(base, list(override))
    if not isinstance(override, Mapping):
        return _checked_choices(base, [override])
    if "choices" in override:
        extra = sorted(set(override) - {"choices", "type"})
        if extra:
            raise ValueError(f"'choices' cannot go together with {', '.join(extra)}")
        return _checked_choices(base, override["choices"])
    unknown = sorted(set(override) - set(_RANGE_FIELDS))
    if unknown:
        raise ValueError(f"unknown field {', '.join(unknown)} (known: low, high, log, step, choices)")
    if base["type"] == "categorical" and not {"type", "low", "high"} <= set(override):
        raise ValueError(f"it is chosen from {list(base['choices'])}; give a list of choices or one value")
    return _checked({**base, **override})


def _checked(dimension: Mapping[str, Any]) -> dict[str, Any]:
    if dimension.get("type") == "categorical":
        return _checked_choices(dimension, list(dimension.get("choices", [])))
    if dimension.get("type") not in ("int", "float"):
        raise ValueError(f"its type is {dimension.get('type')!r}; use int, float or categorical")
    return _checked_range(dimension)


def _checked_range(dimension: Mapping[str, Any]) -> dict[str, Any]:
    kind = dimension["type"]
    low, high = (_number(dimension, field, kind) for field in ("low", "high"))
    log = dimension.get("log", False)
    step = None if dimension.get("step") is None else _number(dimension, "step", kind)
    if not isinstance(log, bool):
        raise ValueError(f"log = {log!r} must be true or false")
    if low > high:
        raise ValueError(f"the range is upside down: low = {low} is above high = {high}")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range must begin above 0, and low = {low}")
    if step is not None and step <= 0:
        raise ValueError(f"step = {step} must be above 0")
    if log and step not in (None, 1 if kind == "int" else None):
        raise ValueError("log and step exclude each other; set step to null")
    if log:
        step = None
    if step is not None:
        high = low + _steps(low, high, step) * step
    return {"type": kind, "low": low, "high": high, "log": log, "step": step}


def _number(dimension: Mapping[str, Any], field: str, kind: str) -> Any:
    """The field as int or float. Integers may be written as 3.0, as YAML and JSON forms do."""
    value = dimension.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{field} = {value!r} must be a number")
    if kind == "float":
        return float(value)
    if value != int(value):
        raise ValueError(f"{field} = {value!r} must be a whole number")
    return int(value)


def _checked_choices(base: Mapping[str, Any], choices: Any) -> dict[str, Any]:
    if not isinstance(choices, list) or not choices:
        raise ValueError("the list of choices is empty; give at least one value")
    wrong = [choice for choice in choices if not isinstance(choice, _SCALARS)]
    if wrong:
        raise ValueError(f"the choice {wrong[0]!r} must be a text, a number, true, false or null")
    if base["type"] in ("int", "float"):
        choices = [_number({"value": choice}, "value", base["type"]) for choice in choices]
    unique = [choice for index, choice in enumerate(choices) if _position(choices, choice) == index]
    return {"type": "categorical", "choices": unique}


def _position(choices: list[Any], choice: Any) -> int:
    """Index of the first equal choice; 1 and True are different choices."""
    return next(i for i, other in enumerate(choices) if other == choice and type(other) is type(choice))


def fit_into(space: Space, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The hyperparameters that the space has, with their values; None where one is missing or outside its range."""
    if any(name not in parameters or not _allows(dimension, parameters[name]) for name, dimension in space.items()):
        return None
    return {name: parameters[name] for name in space}


def _allows(dimension: Mapping[str, Any], value: Any) -> bool:
    if dimension["type"] == "categorical":
        return any(choice == value and type(choice) is type(value) for choice in dimension["choices"])
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    if not dimension["low"] <= value <= dimension["high"]:
        return False
    return bool(math.isclose(_snapped(dimension, value), value, rel_tol=1e-9))


def from_unit(dimension: Mapping[str, Any], unit: float) -> Any:
    """The value at `unit` in [0, 1) of the dimension: evenly spread, on the logarithm where the range is log."""
    if dimension["type"] == "categorical":
        return dimension["choices"][int(unit * len(dimension["choices"]))]
    step = dimension["step"] or (1 if dimension["type"] == "int" else None)
    low, high = dimension["low"], dimension["high"]
    if dimension["log"]:
        return _from_log(dimension, unit)
    if step is None:
        return low + unit * (high - low)
    return _at_step(dimension, int(unit * (_steps(low, high, step) + 1)), step)


def _from_log(dimension: Mapping[str, Any], unit: float) -> Any:
    """Whole numbers get the interval [value - 0.5, value + 0.5) each, so that the two ends are not rare."""
    low, high, whole = dimension["low"], dimension["high"], dimension["type"] == "int"
    margin = 0.5 if whole else 0.0
    start, end = math.log(low - margin), math.log(high + margin)
    value = math.exp(start + unit * (end - start))
    return min(max(round(value) if whole else value, low), high)


def grid_values(dimension: Mapping[str, Any], points: int) -> list[Any]:
    """All choices, or `points` values evenly spaced from low to high (on the logarithm where the range is log)."""
    if dimension["type"] == "categorical":
        return list(dimension["choices"])
    shares = [index / (points - 1) for index in range(points)] if points > 1 else [0.5]
    return sorted({_snapped(dimension, _between(dimension, share)) for share in shares})


def _between(dimension: Mapping[str, Any], share: float) -> float:
    low, high = dimension["low"], dimension["high"]
    return float(low * (high / low) ** share if dimension["log"] else low + share * (high - low))


def _snapped(dimension: Mapping[str, Any], value: float) -> Any:
    """The nearest value that the dimension allows."""
    step = dimension["step"] or (1 if dimension["type"] == "int" else None)
    low, high = dimension["low"], dimension["high"]
    if step is None:
        return min(max(value, low), high)
    return _at_step(dimension, min(round((value - low) / step), _steps(low, high, step)), step)


def _steps(low: float, high: float, step: float) -> int:
    return math.floor((high - low) / step + 1e-9)


def _at_step(dimension: Mapping[str, Any], index: int, step: float) -> Any:
    return dimension["low"] + index * step
