"""The filters of the run history's queries: `(Tags/a eq "b") and (RunId eq x or RunId eq y)`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from azure_ml_emulator.errors import ServiceError

Fields = Mapping[str, Any]
"""Values by the names that a filter may use, in lower case; None where the run has no such value."""
Predicate = Callable[[Fields], bool]

_COMPARISON = re.compile(
    r'\s*(?P<field>[\w./\-]+)\s+(?P<operator>eq|ne|gt|ge|lt|le)\s+(?P<value>"[^"]*"|[^()]+?)(?=\s+(?:and|or)\s|\s*\)|\s*$)'
)
_WORD = re.compile(r"\s*(\(|\)|and\b|or\b)")


def parse(text: str | None) -> Predicate:
    """The filter as a function; no filter lets everything through. Raises 400 where it cannot be read."""
    if not text:
        return lambda fields: True
    predicate, rest = _either(text)
    if rest.strip():
        raise ServiceError(400, "UserError", f"The filter cannot be read from here on: {rest!r}")
    return predicate


def _either(text: str) -> tuple[Predicate, str]:
    left, text = _both(text)
    while (word := _WORD.match(text)) and word[1] == "or":
        right, text = _both(text[word.end() :])
        left = _or(left, right)
    return left, text


def _both(text: str) -> tuple[Predicate, str]:
    left, text = _single(text)
    while (word := _WORD.match(text)) and word[1] == "and":
        right, text = _single(text[word.end() :])
        left = _and(left, right)
    return left, text


def _single(text: str) -> tuple[Predicate, str]:
    if (word := _WORD.match(text)) and word[1] == "(":
        inner, rest = _either(text[word.end() :])
        closing = _WORD.match(rest)
        if not closing or closing[1] != ")":
            raise ServiceError(400, "UserError", f"The filter has an open parenthesis: {text!r}")
        return inner, rest[closing.end() :]
    comparison = _COMPARISON.match(text)
    if not comparison:
        raise ServiceError(400, "UserError", f"The filter cannot be read from here on: {text!r}")
    return _compare(**comparison.groupdict()), text[comparison.end() :]


def _compare(field: str, operator: str, value: str) -> Predicate:
    name = field.lower()
    wanted = None if value == "null" else value.strip('"')
    if operator in ("eq", "ne"):
        return lambda fields: (fields.get(name) == wanted) is (operator == "eq")
    order: dict[str, Callable[[str, str], bool]] = {
        "gt": lambda a, b: a > b,
        "ge": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "le": lambda a, b: a <= b,
    }
    compare, limit = order[operator], (wanted or "").replace(" ", "T")
    return lambda fields: fields.get(name) is not None and compare(str(fields[name]), limit)


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda fields: left(fields) or right(fields)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda fields: left(fields) and right(fields)
