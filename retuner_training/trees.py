"""What happens while LightGBM adds trees."""

from collections.abc import Callable
from typing import Any


def after_trees(report: Callable[[Any, int], None], period: int) -> Callable[[Any], None]:
    """A callback for LightGBM: `report` gets its state and the number of trees, every `period` trees and at the end.

    What `report` raises ends the training.
    """

    def after_tree(state: Any) -> None:
        trees = state.iteration + 1
        if trees % period == 0 or trees == state.end_iteration:
            report(state, trees)

    return after_tree
