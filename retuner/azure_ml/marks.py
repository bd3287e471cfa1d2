"""Tags that say what retuner has made in Azure, so that nothing else is ever deleted."""

import hashlib
from collections.abc import Mapping

CREATED_BY = "created-by"
US = "retuner"
MARK = "retuner-mark"
"""Tag that belongs to one resource id: a tag `created-by` alone may have been inherited from the resource group."""


def tags_of(resource_id: str) -> dict[str, str]:
    """The tags of what we make."""
    return {CREATED_BY: US, MARK: _mark(resource_id)}


def is_ours(resource_id: str, tags: Mapping[str, str] | None) -> bool:
    """Whether the tags say that retuner made this very resource."""
    return (tags or {}).get(CREATED_BY) == US and (tags or {}).get(MARK) == _mark(resource_id)


def _mark(resource_id: str) -> str:
    return hashlib.sha256(resource_id.lower().encode()).hexdigest()[:16]
