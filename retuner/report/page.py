"""The report as one HTML file: nothing in it is fetched, neither from the network nor from beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from retuner.cost.words import precise
from retuner.report.contents import Contents
from retuner.report.gate_figures import differences
from retuner.report.importance import find_importances
from retuner.report.search_figures import history, learning_curves
from retuner.report.space_figures import importances, parallel_coordinates, slices, varied
from retuner.report.svg import short_node
from retuner.report.timeline import timeline
from retuner.search.records import TrialRecord, is_scored, shown

_FOLDER = Path(__file__).parent
_LONGEST = 160
"""Characters of a failed trial's message in the table."""


def render(contents: Contents, *, made: datetime) -> str:
    """The page, as of the moment `made`."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        shown=_shown,
        precise=precise,
        signed=lambda value: f"{value:+.4f}",
        breakable=lambda name: Markup("_<wbr>").join(name.split("_")),
    )
    style = (_FOLDER / "page.css").read_text()
    plots = {name: Markup(svg) for name, svg in _plots(contents).items()}
    importance = find_importances(contents.study, contents.trials)
    if importance is not None:
        plots["importance"] = Markup(importances(importance.shares))
    columns = _columns(contents)
    return environment.get_template("page.html").render(
        contents=contents,
        view=contents.view,
        study=contents.study,
        identity=contents.study.identity,
        plots=plots,
        importance_basis=importance.basis if importance else None,
        columns=columns,
        rows=[_row(place, trial, contents)[: len(columns)] for place, trial in enumerate(contents.trials, start=1)],
        style=Markup(style),
        made=made,
    )


def _plots(contents: Contents) -> dict[str, str]:
    """All figures that there is something to draw for."""
    identity, trials, best = contents.study.identity, contents.trials, contents.best
    names: dict[str, Any] = {"metric": identity.metric}
    plots = {}
    if contents.compared:
        decision = contents.evaluation["decision"]
        margin = decision["gate"]["margin"] * (1 if identity.direction == "maximize" else -1)
        plots["differences"] = differences(contents.compared, objective=identity.metric, margin=margin)
    if bars := timeline(trials):
        plots["timeline"] = bars
    scored = [trial for trial in trials if is_scored(trial)]
    if not scored:
        return plots
    plots["history"] = history(trials, direction=identity.direction, **names)
    if any(len(trial.reports) > 1 for trial in trials):
        plots["curves"] = learning_curves(trials, best, **names)
    if varied(identity.space):
        plots["slices"] = slices(scored, best, space=identity.space, **names)
        plots["parallel"] = parallel_coordinates(
            scored, best, space=identity.space, direction=identity.direction, **names
        )
    return plots


@dataclass(frozen=True)
class _Column:
    """One column of the table of trials."""

    name: str
    is_number: bool


def _columns(contents: Contents) -> list[_Column]:
    identity = contents.study.identity
    words = ("state", "node")
    fixed = ["place", "trial", "state", identity.metric, "±", "steps", "seconds", "attempts", "node"]
    if contents.is_priced:
        fixed.append("USD")
    columns = [_Column(name, is_number=name not in words) for name in fixed]
    columns += [_Column(name, is_number=_is_number(dimension)) for name, dimension in identity.space.items()]
    if any(trial.message for trial in contents.trials):
        columns.append(_Column("message", is_number=False))
    return columns


def _is_number(dimension: Mapping[str, Any]) -> bool:
    return all(isinstance(choice, int | float) for choice in dimension.get("choices", ()))


def _row(place: int, trial: TrialRecord, contents: Contents) -> list[str]:
    """The cells of one trial, in the order of the columns and its message at the end."""
    identity = contents.study.identity
    error = trial.standard_errors.get(identity.metric)
    message = (trial.message or "").partition("\n")[0]
    return [
        str(place) if is_scored(trial) else "",
        str(trial.number),
        trial.state.value,
        "" if trial.value is None else f"{trial.value:.4f}",
        "" if error is None else f"{error:.4f}",
        str(trial.reports[-1][0]) if trial.reports else "",
        "" if trial.seconds is None else f"{trial.seconds:.1f}",
        str(len(trial.attempts)),
        short_node(trial.attempts[-1].node) if trial.attempts else "",
        *([precise(trial.usd)] if contents.is_priced else []),
        *(_shown(trial.parameters.get(name)) for name in identity.space),
        message if len(message) <= _LONGEST else message[:_LONGEST] + "..",
    ]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_shown(one) for one in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value > 9999 else shown(value)
