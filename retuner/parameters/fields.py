"""What all groups of parameters share: the closed group, names, and addresses that hold no secret."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

_MODELS = {"faq_ranker": "FAQ_ranker", "faq_reference": "FAQ_ranker"}
"""Models of built-in recipes that are not called like their recipe. These two make models of the same data."""
TAGS = ("target", "kind")
"""Fields with one value, which tell the members of a union apart."""

_MODEL_NAME = Field(
    title="Model name",
    pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$",
    description="Name of the model in the registry; one flow run at a time works on it. Empty takes the recipe's.",
)
ModelName = Annotated[str, _MODEL_NAME]
GivenModelName = Annotated[str | None, _MODEL_NAME]
"""As a person gives it, or leaves it to the recipe."""
RecipeName = Annotated[
    str,
    Field(
        title="Recipe",
        min_length=1,
        description="What is tuned: `faq_ranker`, `faq_reference`, `tabular`, or your own as `package.module:object`.",
    ),
]
StudyName = Annotated[
    str | None,
    Field(
        title="Study to resume",
        description="Name of an unfinished study that must be continued; empty continues one that fits, if any.",
    ),
]


def without_secret(address: str) -> str:
    """Parameters are shown to everybody. The value is not repeated in the message."""
    parts = urlsplit(address)
    if parts.query or parts.fragment or parts.password:
        raise ValueError("it holds a query or a password, and parameters are shown to everybody: give it without")
    return address


def model_name_of(recipe: str, given: str | None = None) -> str:
    """The name that was given, else what models of the recipe are called: `my_package_my_module` for a person's own.

    The recipe's text alone decides: a form must not import somebody's code.
    """
    if given:
        return given
    if recipe in _MODELS:
        return _MODELS[recipe]
    plain = re.sub(r"[^A-Za-z0-9]+", "_", recipe.removesuffix(":recipe")).strip("_")
    return (plain if plain[:1].isalpha() else f"model_{plain}")[:64]


class Group(BaseModel):
    """A group of fields: closed and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
