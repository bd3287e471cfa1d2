"""How the search went: the objective over the trials, and the learning curves."""

from collections.abc import Sequence
from typing import Any

from retuner.report.svg import GREEN, MANY, RED, STATES, draw
from retuner.search.records import TrialRecord, is_better
from retuner.search.states import Direction, TrialState


def history(trials: Sequence[TrialRecord], *, metric: str, direction: Direction) -> str:
    """The value of every trial by number, and the best so far."""

    def plot(figure: Any) -> None:
        axes, many = figure.add_subplot(), len(trials) > MANY
        for state, marker, words in (
            (TrialState.PRUNED, "v", "pruned (last report)"),
            (TrialState.COMPLETED, "o", "completed"),
        ):
            some = [trial for trial in trials if trial.state is state and trial.value is not None]
            _dots(axes, [t.number for t in some], [t.value for t in some], marker, STATES[state], words, many)
        numbers, best = _best_so_far(trials, direction)
        axes.step(numbers, best, where="post", color=GREEN, linewidth=1.6, label="best so far")
        failed = [trial.number for trial in trials if trial.state is TrialState.FAILED]
        if failed:
            low = axes.get_ylim()[0]
            axes.plot(failed, [low] * len(failed), "x", color=RED, label="failed", clip_on=False)
        axes.set(xlabel="trial", ylabel=metric)
        _whole_numbers(axes.xaxis)
        _legend(figure, axes)

    return draw(plot, title=f"{metric} of every trial by number, and the best so far", height=3.2)


def learning_curves(trials: Sequence[TrialRecord], best: TrialRecord | None, *, metric: str) -> str:
    """The reports of every trial; where a curve of a pruned one ends, a mark."""

    def plot(figure: Any) -> None:
        from matplotlib.collections import LineCollection
        from matplotlib.lines import Line2D

        axes = figure.add_subplot()
        reported = [trial for trial in trials if trial.reports]
        many = sum(len(trial.reports) for trial in reported) > MANY
        handles = []
        for state, words in ((TrialState.PRUNED, "pruned"), (TrialState.COMPLETED, "completed")):
            curves = [trial.reports for trial in reported if trial.state is state]
            axes.add_collection(
                LineCollection(curves, colors=STATES[state], linewidths=0.9, alpha=0.75, rasterized=many)
            )
            handles.append(Line2D([], [], color=STATES[state], label=words))
        ends = [trial.reports[-1] for trial in reported if trial.state is TrialState.PRUNED]
        _dots(
            axes, [step for step, _ in ends], [value for _, value in ends], "v", STATES[TrialState.PRUNED], None, many
        )
        if best is not None and best.reports:
            axes.plot(*zip(*best.reports, strict=True), color=GREEN, linewidth=2.0)
            handles.append(Line2D([], [], color=GREEN, linewidth=2.0, label=f"best (trial {best.number})"))
        axes.autoscale_view()
        axes.set(xlabel="step", ylabel=metric)
        _whole_numbers(axes.xaxis)
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))

    return draw(plot, title=f"Reports of {metric} by step; pruned trials end early", height=3.4)


def _best_so_far(trials: Sequence[TrialRecord], direction: Direction) -> tuple[list[int], list[float]]:
    """Number and value of each trial that was the best when it was asked, and where that leads in the end."""
    numbers: list[int] = []
    best: list[float] = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.state is not TrialState.COMPLETED or trial.value is None:
            continue
        if is_better(trial.value, best[-1] if best else None, direction=direction):
            numbers.append(trial.number)
            best.append(trial.value)
    if numbers:
        numbers.append(max(trial.number for trial in trials))
        best.append(best[-1])
    return numbers, best


def _dots(
    axes: Any, x: Sequence[Any], y: Sequence[Any], marker: str, colour: str, label: str | None, rasterized: bool
) -> None:
    axes.plot(x, y, marker, color=colour, markersize=4.5, alpha=0.9, label=label, rasterized=rasterized)


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=len(handles))
