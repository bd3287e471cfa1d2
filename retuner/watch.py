"""Watch a study in a notebook: the same view as `retune watch`, kept up to date in its place."""

from collections.abc import Iterator
from contextlib import suppress
from html import escape
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retuner.search.view import StudyView

THREAD = "retuner-watch"
"""Name of the thread that keeps a view up to date beside the cells."""
_replaced: dict[str, Event] = {}
"""By study: set once a later call shows it, so that a cell that is run again leaves no thread behind."""


def watch(study: str | None = None, *, seconds: float = 2.0, block: bool = False) -> None:
    """Show a study, and keep it up to date every `seconds` until it ends.

    The next cells can be worked with meanwhile; with `block` the cell lasts as long as the study, or until it is
    interrupted. The study may be one of any process or machine that writes to the same ledger, alive or ended. Without
    a name it is the one that was written to last. Raises UserError for an unknown one.
    """
    from IPython.display import display

    from retuner.search.follow import follow
    from retuner.settings import read_settings

    views = follow(study, read_settings(), seconds=seconds)
    first = next(views)
    shown = display(_page(first), display_id=True)
    if shown is None:  # there is no notebook, and so no place that could be kept up to date
        return
    _replaced.pop(first.study.name, Event()).set()
    replaced = _replaced[first.study.name] = Event()
    if block:
        with suppress(KeyboardInterrupt):
            keep_up(shown, first, views, replaced)
    else:
        Thread(target=keep_up, args=(shown, first, views, replaced), name=THREAD, daemon=True).start()


def keep_up(shown: Any, view: "StudyView", views: Iterator["StudyView"], replaced: Event) -> None:
    """Show each view in the place of the one before; where no more can be had, the last one with the reason."""
    from retuner.errors import RetunerError

    try:
        for view in views:
            if replaced.is_set():
                return
            shown.update(_page(view))
    except RetunerError as error:
        shown.update(_page(view, f"<p>{escape(str(error))}</p>"))


def _page(view: "StudyView", below: str = "") -> Any:
    from IPython.display import HTML

    from retuner.screen import to_html

    return HTML(to_html(view) + below)
