"""What all groups of parameters share: the closed group, names, and addresses that hold no secret."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

TAGS = ("target", "kind")
"""Fields with one value, which tell the members of a union apart."""

ModelName = Annotated[
    str,
    Field(
        title="Model name",
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$",
        description="Name of the model in the registry; one flow run at a time works on it.",
    ),
]
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


class Group(BaseModel):
    """A group of fields: closed and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
