"""Which trial ran when and on which node."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retuner.report.svg import INK, MANY, STATES, draw, short_node
from retuner.search.records import TrialRecord
from retuner.search.states import TrialState

_LOST = "#e3b341"
_MOST_NAMED = 24
"""Nodes from which on their names are left out."""
_MOST_NUMBERED = 200
_NARROWEST = 0.02
"""Share of the plot's width that a number needs."""


@dataclass(frozen=True)
class _Bar:
    """One attempt at a trial; seconds since the first attempt began."""

    trial: int
    state: TrialState
    node: str
    start: float
    end: float


def timeline(trials: Sequence[TrialRecord]) -> str:
    """One bar an attempt that has ended, on the row of its node; empty where there is none."""
    bars = _bars(trials)
    if not bars:
        return ""
    nodes = sorted({bar.node for bar in bars})
    rows = {node: row for row, node in enumerate(nodes)}
    total = max(bar.end for bar in bars)
    unit, words = (60, "minutes") if total > 180 else (1, "seconds")

    def plot(figure: Any) -> None:
        from matplotlib.patches import Patch

        axes = figure.add_subplot()
        for (state, node), some in _grouped(bars).items():
            axes.broken_barh(
                [(bar.start / unit, (bar.end - bar.start) / unit) for bar in some],
                (rows[node] - 0.36, 0.72),
                facecolors=STATES.get(state, _LOST),
                edgecolor="white",
                linewidth=0.5,
                rasterized=len(bars) > MANY,
            )
        if len(bars) <= _MOST_NUMBERED:
            _write_numbers(axes, bars, rows, unit=unit, total=total)
        named = len(nodes) <= _MOST_NAMED
        axes.set_yticks(range(len(nodes)) if named else [], nodes if named else [])
        axes.set(xlabel=f"{words} since the first attempt", ylabel="" if named else f"{len(nodes)} nodes")
        axes.grid(axis="y", visible=False)
        axes.invert_yaxis()
        states = dict.fromkeys(bar.state for bar in bars)
        handles = [Patch(color=STATES.get(state, _LOST), label=state.value) for state in states]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))

    height = max(1.7, 1.1 + 0.3 * min(len(nodes), _MOST_NAMED))
    return draw(plot, title="When each attempt at a trial ran, by node", height=height)


def _bars(trials: Sequence[TrialRecord]) -> list[_Bar]:
    ended = [
        (trial.number, attempt, attempt.began or attempt.started, attempt.ended)
        for trial in trials
        for attempt in trial.attempts
        if attempt.started and attempt.ended and not attempt.never_began
    ]
    first = min((started for _, _, started, _ in ended), default=None)
    if first is None:
        return []
    return [
        _Bar(
            number,
            attempt.state,
            short_node(attempt.node) or "no node",
            start=(started - first).total_seconds(),
            end=(stopped - first).total_seconds(),
        )
        for number, attempt, started, stopped in ended
    ]


def _grouped(bars: Sequence[_Bar]) -> dict[tuple[TrialState, str], list[_Bar]]:
    """Bars of one colour and row: they are drawn as one."""
    groups: dict[tuple[TrialState, str], list[_Bar]] = {}
    for bar in bars:
        groups.setdefault((bar.state, bar.node), []).append(bar)
    return groups


def _write_numbers(axes: Any, bars: Sequence[_Bar], rows: dict[str, int], *, unit: int, total: float) -> None:
    """The trial's number in each bar that has room for it."""
    for bar in bars:
        if bar.end - bar.start > _NARROWEST * total:
            colour = INK if bar.state is TrialState.PRUNED else "white"
            place = ((bar.start + bar.end) / 2 / unit, rows[bar.node])
            axes.text(*place, str(bar.trial), ha="center", va="center", fontsize=7, color=colour)
