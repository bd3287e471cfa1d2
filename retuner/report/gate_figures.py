"""Champion against challenger: the difference of each metric with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from retuner.report.svg import BLUE, GREY, INK, draw


def differences(compared: Sequence[Mapping[str, Any]], *, objective: str, margin: float) -> str:
    """One row a metric: the difference, challenger minus champion, and its 95 % interval; the objective decides."""

    def plot(figure: Any) -> None:
        axes = figure.add_subplot()
        for row, one in enumerate(compared):
            colour = BLUE if one["metric"] == objective else GREY
            low, high = one["interval"]
            axes.plot([low, high], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt")
            axes.plot(one["difference"], row, "o", color=colour, markersize=7)
        axes.axvline(0, color=INK, linewidth=1)
        if margin:
            axes.axvline(margin, color=INK, linewidth=1, linestyle="--", label=f"margin {margin:g}")
            axes.legend(loc="upper right")
        axes.set_yticks(range(len(compared)), [one["metric"] for one in compared])
        axes.set(xlabel="challenger minus champion, with the 95 % interval", ylim=(len(compared) - 0.4, -0.6))
        axes.grid(axis="y", visible=False)

    title = "Difference of each metric between challenger and champion, with its 95 % interval"
    return draw(plot, title=title, height=0.75 + 0.32 * len(compared))
