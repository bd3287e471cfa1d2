"""Samplers that draw trial n as a pure function of (space, seed, n).

A resumed study and another compute target therefore get the same trials, in whichever order the trials end.
Optuna's own random, grid and QMC samplers keep a position that is lost with the process, hence these.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from retuner.errors import UserError
from retuner.search.space import Space, from_unit, grid_values

Draw = Callable[[int], dict[str, Any]]
"""Trial number to hyperparameters."""

GRID_POINTS = 3
LARGEST_GRID = 1_000_000


def random_draw(space: Space, seed: int) -> Draw:
    """Independent and uniform over the space."""

    def draw(number: int) -> dict[str, Any]:
        units = np.random.default_rng([seed, number]).random(len(space))
        return _at(space, units)

    return draw


def qmc_draw(space: Space, seed: int) -> Draw:
    """Points of a scrambled Sobol sequence: spread more evenly than random ones."""
    from scipy.stats import qmc

    engine = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(seed))

    def draw(number: int) -> dict[str, Any]:
        if number < engine.num_generated:
            engine.reset()
        if number > engine.num_generated:
            engine.fast_forward(number - engine.num_generated)
        return _at(space, engine.random(1)[0])

    return draw


def grid_draw(space: Space, seed: int, *, points: int = GRID_POINTS) -> Draw:
    """Every combination once, in a shuffled order, so that a part of a grid covers all of the space."""
    axes = {name: grid_values(dimension, points) for name, dimension in space.items()}
    size = grid_size(space, points=points)
    if size > LARGEST_GRID:
        raise UserError(
            f"The grid has {size} hyperparameter sets, and at most {LARGEST_GRID} can be handled: "
            "fix some hyperparameters in search.space, or use the sampler qmc."
        )
    order = np.random.default_rng(seed).permutation(size)

    def draw(number: int) -> dict[str, Any]:
        index, parameters = int(order[number]), {}
        for name, values in axes.items():
            index, position = divmod(index, len(values))
            parameters[name] = values[position]
        return parameters

    return draw


def grid_size(space: Space, *, points: int = GRID_POINTS) -> int:
    """Number of combinations in the grid."""
    return math.prod(len(grid_values(dimension, points)) for dimension in space.values())


def planned_trials(space: Space, sampler: str, trials: int) -> int:
    """How many trials a study can have at most: a grid ends where all its combinations are tried."""
    return min(trials, grid_size(space)) if sampler == "grid" else trials


def _at(space: Space, units: Any) -> dict[str, Any]:
    return {name: from_unit(space[name], float(unit)) for name, unit in zip(space, units, strict=True)}
