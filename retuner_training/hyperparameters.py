"""Hyperparameters that a recipe understands: default values and the limits beyond which nothing sensible happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retuner_training.errors import InvalidInput


@dataclass(frozen=True)
class Hyperparameter:
    """One number; its type is that of `default`, both limits are allowed. A bool has no limits."""

    default: int | float | bool
    low: float = 0
    high: float = 1


def complete(parameters: Mapping[str, Any], known: Mapping[str, Hyperparameter], *, recipe: str) -> dict[str, Any]:
    """All hyperparameters, defaults filled in. Raises InvalidInput for an unknown name or an impossible value."""
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise InvalidInput(
            f"The recipe {recipe} has no hyperparameter '{unknown[0]}': it knows {', '.join(sorted(known))}."
        )
    return {
        name: _checked(name, parameters.get(name, hyperparameter.default), hyperparameter, recipe)
        for name, hyperparameter in known.items()
    }


def _checked(name: str, value: Any, limits: Hyperparameter, recipe: str) -> int | float | bool:
    kind = type(limits.default)
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise InvalidInput(f"The hyperparameter {name} of {recipe} is {value!r}: it must be true or false.")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not limits.low <= value <= limits.high or (kind is int and value != int(value)):
        what = "a whole number" if kind is int else "a number"
        raise InvalidInput(
            f"The hyperparameter {name} of {recipe} is {value!r}: it must be {what} from {limits.low} to {limits.high}."
        )
    return kind(value)
