"""`retune watch`: a study as it is now, until it ends; also while another process or machine works on it."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from cli.output import show
from retuner.errors import Interrupted
from retuner.settings import read_settings

SECONDS = 1.0


def execute(options: argparse.Namespace) -> int:
    """Keep the view up to date on a terminal; print it once elsewhere."""
    from retuner.search.follow import follow

    views = follow(options.study, read_settings(), seconds=SECONDS)
    if options.json:
        show(json.dumps(next(views).to_dict()))
    elif options.once or not sys.stdout.isatty():
        _print(next(views))
    else:
        _keep_up(views)
    return 0


def _print(view: Any) -> None:
    from rich.console import Console

    from retuner.screen import WIDTH, panel

    console = Console()
    console.width = max(console.width, WIDTH)  # names are never cut where the output is not a terminal
    console.print(panel(view), highlight=False)


def _keep_up(views: Iterator[Any]) -> None:
    from rich.live import Live

    from retuner.screen import panel

    try:
        with Live(auto_refresh=False, vertical_overflow="visible") as live:
            for view in views:
                live.update(panel(view), refresh=True)
    except KeyboardInterrupt:
        raise Interrupted("The view has ended; the study goes on.") from None
