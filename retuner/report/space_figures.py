"""What the hyperparameters did: their importance, the objective along each, and all of them together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retuner.report.svg import BLUE, GREEN, GREY, MANY, WIDTH, draw
from retuner.search.records import TrialRecord, shown
from retuner.search.space import Space
from retuner.search.states import Direction, TrialState

_COLUMNS = 4
_CELL = 1.75
"""Inches of height of one slice."""


def importances(shares: Mapping[str, float]) -> str:
    """One bar a hyperparameter, the most important at the top."""
    names = sorted(shares, key=lambda name: shares[name])

    def plot(figure: Any) -> None:
        axes = figure.add_subplot()
        bars = axes.barh(names, [shares[name] for name in names], color=BLUE, height=0.65)
        axes.bar_label(bars, [f"{shares[name]:.0%}" for name in names], padding=3, fontsize=8)
        axes.set(xlabel="share of the variation that it explains", xlim=(0, 1.12 * max(shares.values())))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.grid(axis="y", visible=False)

    return draw(plot, title="Importance of the hyperparameters", height=0.7 + 0.24 * len(names))


def slices(trials: Sequence[TrialRecord], best: TrialRecord | None, *, space: Space, metric: str) -> str:
    """The objective along each hyperparameter that was varied."""
    names = varied(space)
    rows = -(-len(names) // _COLUMNS)

    def plot(figure: Any) -> None:
        grid = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(names):
                axes.set_visible(False)
                continue
            _slice(axes, trials, best, names[index], space[names[index]])
            if index % _COLUMNS == 0:
                axes.set_ylabel(metric)
        figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)

    return draw(plot, title=f"{metric} along each hyperparameter", height=0.4 + _CELL * rows)


def _slice(
    axes: Any, trials: Sequence[TrialRecord], best: TrialRecord | None, name: str, dimension: Mapping[str, Any]
) -> None:
    for state, marker, colour in ((TrialState.PRUNED, "v", GREY), (TrialState.COMPLETED, "o", BLUE)):
        some = [
            trial for trial in trials if trial.state is state and trial.value is not None and name in trial.parameters
        ]
        x, y = _along([trial.parameters[name] for trial in some], dimension), [trial.value for trial in some]
        axes.plot(
            x, y, marker, color=colour, markersize=3.6, alpha=0.85, rasterized=len(trials) > MANY, label=state.value
        )
    if best is not None and name in best.parameters:
        axes.plot(
            _along([best.parameters[name]], dimension), [best.value], "*", color=GREEN, markersize=9, label="best"
        )
    axes.set_title(name)
    _mark_range(axes, dimension)


def _mark_range(axes: Any, dimension: Mapping[str, Any]) -> None:
    """The searched range from end to end, with few numbers that people read."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    if dimension["type"] == "categorical":
        labels = [str(choice) for choice in dimension["choices"]]
        axes.set_xticks(range(len(labels)), labels, rotation=0 if sum(map(len, labels)) < 24 else 30)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        return
    low, high = dimension["low"], dimension["high"]
    if dimension["log"]:
        axes.set_xscale("log")
        axes.xaxis.set(major_locator=FixedLocator(log_ticks(low, high)), minor_locator=NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        margin = (high / low) ** 0.05
        axes.set_xlim(low / margin, high * margin)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=dimension["type"] == "int"))
        axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers of a logarithmic range: 1, 2 and 5 times powers of ten, or of many the powers alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    ticks = [tick for tick in fine if low <= tick * (1 + 1e-9) and tick * (1 - 1e-9) <= high]
    coarse = [10.0**power for power in powers if low <= 10.0**power <= high]
    if len(ticks) > 4 and len(coarse) > 1:
        return coarse[:: math.ceil(len(coarse) / 4)]
    return ticks if len(ticks) > 1 else [low, high]


def parallel_coordinates(
    trials: Sequence[TrialRecord], best: TrialRecord | None, *, space: Space, metric: str, direction: Direction
) -> str:
    """One line a trial through all hyperparameters to the objective; the better, the darker."""
    names = varied(space)
    scored = [trial for trial in trials if trial.value is not None and set(names) <= set(trial.parameters)]
    scored.sort(key=lambda trial: (trial.value or 0.0) * (1 if direction == "maximize" else -1))

    def plot(figure: Any) -> None:
        from matplotlib.collections import LineCollection

        axes = figure.add_subplot()
        values = np.array([trial.value for trial in scored], dtype=float)
        columns = [_share(_along([t.parameters[name] for t in scored], space[name]), space[name]) for name in names]
        low, high = float(values.min()), float(values.max())
        columns.append((values - low) / (high - low) if high > low else np.full(len(values), 0.5))
        points = np.stack([np.tile(np.arange(len(columns)), (len(scored), 1)), np.stack(columns, axis=1)], axis=2)
        lines = LineCollection(list(points), cmap="Blues", linewidths=1.0, alpha=0.8, rasterized=len(scored) > 300)
        lines.set(array=np.linspace(0, 1, len(scored)), clim=(-0.35, 1.0))
        axes.add_collection(lines)
        if best in scored:
            axes.plot(*points[scored.index(best)].T, color=GREEN, linewidth=2.4)
        for place, name in enumerate(names):
            _upright(axes, place, *_ends(space[name]))
        _upright(axes, len(names), f"{low:.4f}", f"{high:.4f}")
        axes.set_xticks(range(len(columns)), [*names, metric], rotation=20, ha="right")
        axes.set(xlim=(-0.3, len(columns) - 0.5), ylim=(-0.12, 1.12), yticks=[])
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)

    return draw(plot, title=f"All hyperparameters of every trial and its {metric}", height=3.6, width=WIDTH)


def _upright(axes: Any, place: int, low: str, high: str) -> None:
    axes.axvline(place, ymin=0.097, ymax=0.903, color="#7b8794", linewidth=1)
    axes.text(place, 1.03, high, ha="center", va="bottom", fontsize=7.5)
    axes.text(place, -0.03, low, ha="center", va="top", fontsize=7.5)


def varied(space: Space) -> list[str]:
    """Hyperparameters with more than one value."""
    return [
        name
        for name, dimension in space.items()
        if (
            len(dimension["choices"]) > 1
            if dimension["type"] == "categorical"
            else dimension["low"] < dimension["high"]
        )
    ]


def _along(values: Sequence[Any], dimension: Mapping[str, Any]) -> NDArray[np.float64]:
    """Positions on the hyperparameter's axis: the values, or for choices their index."""
    if dimension["type"] != "categorical":
        return np.array(values, dtype=float)
    choices = [repr(choice) for choice in dimension["choices"]]
    return np.array([choices.index(repr(value)) if repr(value) in choices else np.nan for value in values], dtype=float)


def _share(positions: NDArray[np.float64], dimension: Mapping[str, Any]) -> NDArray[np.float64]:
    """Positions as shares of the range, on the logarithm where it is one."""
    if dimension["type"] == "categorical":
        return positions / (len(dimension["choices"]) - 1)
    low, high = float(dimension["low"]), float(dimension["high"])
    if dimension["log"]:
        positions, low, high = np.log(positions), float(np.log(low)), float(np.log(high))
    return (positions - low) / (high - low)


def _ends(dimension: Mapping[str, Any]) -> tuple[str, str]:
    if dimension["type"] == "categorical":
        return str(dimension["choices"][0]), str(dimension["choices"][-1])
    return shown(dimension["low"]), shown(dimension["high"])
