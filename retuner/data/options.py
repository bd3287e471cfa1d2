"""What a recipe wants to know of the data, from the parameters' group `data`."""

from typing import Any

from retuner.errors import UserError
from retuner.parameters import Data
from retuner_training.recipe import Recipe

COMMON = ("split_seed", "faulty_rows")
"""Options that every recipe gets."""


def dataset_options(data: Data, recipe: Recipe) -> dict[str, Any]:
    """The options of `recipe.prepare`: the recipe's own values, overridden by those that are given.

    Raises UserError for one that the recipe does not have, so that nobody believes it did something.
    """
    fields = data.model_dump(exclude={"source", "options"}, exclude_none=True)
    twice = sorted(data.options.keys() & Data.model_fields.keys())
    if twice:
        raise UserError(f"data.options names {twice[0]}, which has a field of its own: give it as data.{twice[0]}.")
    given = {**fields, **data.options}
    known = [*recipe.options, *COMMON]
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise UserError(
            f"The recipe '{recipe.name}' has no use for {', '.join(unknown)}: its options are {', '.join(known)}; "
            f"leave the others empty."
        )
    return {**recipe.options, **given}
