"""Watch a study in a notebook: the same view as `retune watch`, kept up to date in its place."""

from contextlib import suppress
from typing import Any


def watch(study: str | None = None, *, seconds: float = 2.0) -> None:
    """Show a study, and keep it up to date every `seconds` until it ends or the cell is interrupted.

    It may be one of any process or machine that writes to the same ledger, alive or ended. Without a name it is the
    study that was written to last. Raises UserError for an unknown one.
    """
    from IPython.display import HTML, display

    from retuner.screen import to_html
    from retuner.search.follow import follow
    from retuner.settings import read_settings

    shown: Any = None
    with suppress(KeyboardInterrupt):
        for view in follow(study, read_settings(), seconds=seconds):
            page = HTML(to_html(view))
            if shown is None:
                shown = display(page, display_id=True)
            else:
                shown.update(page)
