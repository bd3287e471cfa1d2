"""Matplotlib figures as SVG elements of a page: one look, text as text, many points as a picture."""

import html
import io
import re
from collections.abc import Callable
from typing import Any

from retuner.search.states import TrialState

MANY = 1500
"""Marks in one plot from which on they are drawn as a picture: thousands of vectors make a page slow."""
WIDTH = 8.0
"""Inches of a plot over the whole column."""
_DPI = 110
"""Of what is drawn as a picture."""

BLUE, GREY, RED, GREEN, INK = "#0072b2", "#a3a8ae", "#c8500a", "#00795a", "#1f2933"
"""Told apart by people who see few colours (Okabe and Ito), the marks differ as well."""

STATES = {TrialState.COMPLETED: BLUE, TrialState.PRUNED: GREY, TrialState.FAILED: RED}

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": "#7b8794",
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "xtick.color": "#3e4c59",
    "ytick.color": "#3e4c59",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "retuner",
    "path.simplify": True,
}


def draw(plot: Callable[[Any], None], *, title: str, height: float, width: float = WIDTH) -> str:
    """The SVG element of the figure that `plot` draws on; `title` is what a screen reader says. Sizes in inches."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        plot(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
    return _element(out.getvalue(), title)


def _element(document: str, title: str) -> str:
    """Only the svg element, sized by its column, and without the ids that all figures would share."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    words = html.escape(title)
    return svg.replace("<svg", f'<svg role="img" aria-label="{words}"', 1)


def short_node(node: str | None) -> str:
    """A node's address without its scheme."""
    return (node or "").rpartition("://")[2]
