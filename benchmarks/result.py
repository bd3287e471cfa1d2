"""What a row of the table says."""

import operator
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_RELATIONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Goal:
    """What a figure must reach."""

    relation: str
    """>=, <= or <."""
    limit: float

    def is_met(self, figure: float) -> bool:
        return _RELATIONS[self.relation](figure, self.limit)

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


@dataclass(frozen=True)
class Result:
    """The outcome of one row: a figure per run."""

    what: str
    figures: Sequence[float]
    unit: str = "times"
    goal: Goal | None = None
    figure: float | None = None
    """What the goal is about, where it is not the median."""
    beside: str = ""
    """What the figures were made of, or what is worth knowing beside them."""
    holds: bool = True
    """Whether what must be true beside the goal is: gains that are equal, say."""
    details: str = ""
    """Markdown that goes below the table."""

    @property
    def value(self) -> float:
        """What the table tells: the median of the runs, unless it is said otherwise."""
        return statistics.median(self.figures) if self.figure is None else self.figure

    @property
    def is_met(self) -> bool | None:
        """None for a row without a goal."""
        return None if self.goal is None else self.holds and self.goal.is_met(self.value)

    @property
    def verdict(self) -> str:
        return {None: "-", True: "met", False: "missed"}[self.is_met]

    @property
    def spread(self) -> str:
        return f"{_short(min(self.figures))} - {_short(max(self.figures))}" if len(self.figures) > 1 else "one run"

    def cells(self) -> tuple[str, ...]:
        """Figure, goal, verdict, spread, runs and what stands beside it."""
        goal = f"{self.goal}" if self.goal else "-"
        figure = f"{_short(self.value)} {self.unit}".strip()
        return figure, goal, self.verdict, self.spread, str(len(self.figures)), self.beside


def _short(figure: float) -> str:
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def middle(figures: Sequence[float], unit: str) -> str:
    """The median of a side of a ratio, in words."""
    return f"{_short(statistics.median(figures))} {unit}"
