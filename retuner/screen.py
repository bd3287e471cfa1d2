"""How a study's view looks on a terminal and, as the same characters, in a notebook."""

import io
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from retuner.cost.words import beside_plan
from retuner.search.records import in_words
from retuner.search.states import TrialState
from retuner.search.view import NodeView, Phase, StudyView

WIDTH = 100
"""Columns where there is no terminal to ask."""
NODES = 8
"""Nodes that are named; of more, those at work come first."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_STATES = {
    TrialState.ASKED: "cyan",
    TrialState.SUBMITTED: "cyan",
    TrialState.RUNNING: "cyan",
    TrialState.LOST: "yellow",
    TrialState.CANCELLED: "yellow",
    TrialState.COMPLETED: "green",
    TrialState.PRUNED: "yellow",
    TrialState.FAILED: "red",
}
_ALWAYS = (TrialState.RUNNING, TrialState.COMPLETED, TrialState.PRUNED, TrialState.FAILED)
_AT_WORK = (TrialState.SUBMITTED, TrialState.RUNNING)
_STYLES = {Phase.FINISHED: "bold green", Phase.FAILED: "bold red", Phase.INTERRUPTED: "bold yellow"}


def panel(view: StudyView) -> RenderableType:
    """The whole view, to print or to keep up to date."""
    rows = Table.grid(padding=(0, 2), expand=False)
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("trials", _trials(view))
    rows.add_row("", _bar(view))
    rows.add_row("time", _time(view))
    rows.add_row("best", _best(view))
    if len(view.curve) > 1:
        rows.add_row("curve", _curve(view))
    if view.nodes:
        rows.add_row("nodes", _nodes(view))
    if view.spent is not None:
        rows.add_row("cost", _cost(view))
    if view.failures:
        rows.add_row("failures", _failures(view))
    if view.study.message:
        rows.add_row("decision" if view.phase is Phase.FINISHED else "reason", Text(view.study.message))
    if view.phase is Phase.INTERRUPTED:
        rows.add_row("next", Text(f"nobody works on it; continue with: retune run --resume {view.study.name}"))
    return Group(_title(view), rows)


def to_html(view: StudyView) -> str:
    """The panel as one HTML element with its styles in it."""
    # else Rich finds itself in a notebook and shows there what is only printed to be recorded
    console = Console(force_jupyter=False, record=True, file=io.StringIO(), width=WIDTH, force_terminal=True)
    console.print(panel(view))
    frame = '<pre style="font-family: monospace; line-height: 1.35; overflow-x: auto" role="status">{code}</pre>'
    return console.export_html(inline_styles=True, code_format=frame)


def _title(view: StudyView) -> Text:
    style = _STYLES.get(view.phase, "bold cyan")
    return Text.assemble((view.study.name, "bold"), "  ", (view.phase.value, style))


def _trials(view: StudyView) -> Text:
    words = Text(f"{view.ended} of {view.progress.planned} ended")
    for state, style in _STATES.items():
        count = view.progress.states.get(state, 0)
        if count or state in _ALWAYS:
            name = "cut off" if count and state in _AT_WORK and view.phase is Phase.INTERRUPTED else state.value
            words.append(f"   {name} {count}", style if count else "dim")
    return words


def _bar(view: StudyView) -> RenderableType:
    return ProgressBar(total=max(1, view.progress.planned), completed=view.ended, width=60)


def _time(view: StudyView) -> Text:
    words = Text(f"{duration(view.seconds)} since {view.study.created:%Y-%m-%d %H:%M:%S} UTC")
    if view.seconds_left is not None:
        words.append(f", about {duration(view.seconds_left)} of the search left", "cyan")
    return words


def _best(view: StudyView) -> Text:
    progress = view.progress
    if progress.best_value is None or progress.best_parameters is None:
        return Text("none yet", "dim")
    values = in_words(progress.best_parameters)
    return Text.assemble(
        (f"{view.metric} {progress.best_value:.4f}", "bold green"), f" in trial {progress.best_trial} with {values}"
    )


def _curve(view: StudyView) -> Text:
    return Text.assemble((sparkline(view.curve), "green"), f"  {view.curve[0]:.4f} to {view.curve[-1]:.4f}")


def sparkline(values: Sequence[float], *, width: int = 60) -> str:
    """One block a value, the lowest at the bottom; of more than `width` values the last of each bin."""
    if len(values) > width:
        values = [values[(index + 1) * len(values) // width - 1] for index in range(width)]
    low, high = min(values), max(values)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round(steps * (value - low) / (high - low)) if high > low else 0] for value in values)


def _nodes(view: StudyView) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    first = sorted(view.nodes, key=lambda node: (node.trial is None, node.name))
    for node in first[:NODES]:
        work = Text("") if view.phase.is_ended() else _work(node)
        table.add_row(node.name, work, f"{node.trials} ended", f"busy {duration(node.busy_seconds)}")
    if len(first) > NODES:
        table.add_row(Text(f"and {len(first) - NODES} more", "dim"))
    return table


def _work(node: NodeView) -> Text:
    if node.trial is None or node.seconds is None:
        return Text("idle", "dim")
    step = "" if node.step is None else f", step {node.step}"
    return Text(f"trial {node.trial}{step}, {duration(node.seconds)}", "cyan")


def _cost(view: StudyView) -> Text:
    so_far = "" if view.phase.is_ended() else "so far "
    plan = view.plan or {}
    about = {"is_bound": plan.get("is_bound", False), "origin": view.price}
    return Text(so_far + beside_plan((view.spent or {})["total"], plan.get("total"), **about))


def _failures(view: StudyView) -> Text:
    return Text("\n").join(Text(f"trial {one.trial}: {one.message.splitlines()[0]}", "red") for one in view.failures)


def duration(seconds: float) -> str:
    """`12 s`, `3 min 5 s`, `2 h 7 min`."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
