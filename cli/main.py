"""The command `retune`: arguments in, one flow or one function called, lines or one JSON document out."""

import argparse
import errno
import shutil
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TypeAlias

from cli import arguments
from cli.parser import MANY_FLAGS, Parser
from retuner.errors import Interrupted, RetunerError
from retuner.parameters.provision import Preflight, Provision, TearDown
from retuner.settings import read_settings
from retuner_training.redaction import redact

FAILURE = 1
INTERRUPTED = 130
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
LEAST_FREE = 1 << 20
"""Bytes: with less than that, whatever went wrong went wrong because the disk is full."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failure, 2 for wrong usage, 130 when stopped."""
    options = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(options.command(options))
    except (KeyboardInterrupt, Interrupted) as stopped:
        print(f"retune: {str(stopped) or 'Stopped.'}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # whatever it is, a person gets one sentence
        if options.debug:
            raise
        print(f"retune: {arguments.name_flags(_sentence(error), options)}", file=sys.stderr)
        return FAILURE


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a command as Ctrl-C does, so that what it has started is given back; a flow has its own way."""
    raise KeyboardInterrupt


def _sentence(error: Exception) -> str:
    """What a person is told, without secrets: our errors as such, a full disk wherever it struck, else its class."""
    home = read_settings().home
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    if shutil.disk_usage(place).free < LEAST_FREE or getattr(error, "errno", None) == errno.ENOSPC:
        return f"The disk that holds {home} is full: free some space and start again; what was completed is kept."
    if isinstance(error, RetunerError):
        return redact(str(error))
    first_line = redact(str(error)).partition("\n")[0]
    return f"Unexpected {type(error).__name__}: {first_line} (--debug shows where it came from)"


def build_parser() -> argparse.ArgumentParser:
    """All commands. What a command needs is imported when it runs, so that `ask` and `status` start fast."""
    parser = Parser(prog="retune", description="Retune a model on a schedule: on this machine, on Dask or on Azure ML.")
    parser.set_defaults(debug=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_plan(commands)
    _add_ask(commands)
    _add_status(commands)
    _add_watch(commands)
    _add_report(commands)
    _add_ui(commands)
    _add_operations(commands)
    _add_azure(commands)
    return parser


def _add_run(commands: Commands) -> None:
    summary = "search, retrain the best, evaluate it and register it if it wins"
    run = _command(commands, "run", "cli.run", summary, usage=MANY_FLAGS)
    run.add_argument("--parameters", metavar="FILE", help="YAML or JSON file with parameters; flags override it")
    run.add_argument(
        "--resume",
        metavar="STUDY",
        nargs="?",
        const="",
        help="continue an unfinished study with its parameters; without a name, the latest one",
    )
    arguments.add_parameter_flags(run)


def _add_plan(commands: Commands) -> None:
    summary = "estimate what a retune will take in minutes and money"
    plan = _command(commands, "plan", "cli.plan", summary, usage=MANY_FLAGS)
    plan.add_argument("--parameters", metavar="FILE", help="YAML or JSON file with parameters; flags override it")
    told = plan.add_argument_group("plan", "What is known already and need not be found out.")
    told.add_argument("--nodes", type=int, metavar="NODES", help="nodes at once, whatever the compute target")
    told.add_argument("--region", metavar="REGION", help="Azure region of the nodes, such as eastus2")
    seconds = {"type": float, "metavar": "SECONDS"}
    told.add_argument("--trial-seconds", **seconds, help="of a trial; else of earlier studies, or of one probe trial")
    told.add_argument("--retrain-seconds", **seconds, help="of the final training")
    told.add_argument("--startup-seconds", **seconds, help="from a waiting job to a node that works (300 on Azure ML)")
    arguments.add_parameter_flags(plan, without=("nodes",))


def _add_ask(commands: Commands) -> None:
    ask = _command(commands, "ask", "cli.ask", "show the champion's best answers to a question or a row")
    ask.add_argument("text", metavar="QUESTION", help="in quotes: a question, or a row of a table as a JSON object")
    ask.add_argument("--top", type=int, default=3, metavar="K", help="number of answers (3)")
    ask.add_argument("--parameters", metavar="FILE", help="the file of `retune run`, for its model and registry")
    arguments.add_parameter_flags(ask, ("model_name", "recipe", "registry"))


def _add_status(commands: Commands) -> None:
    status = _command(commands, "status", "cli.status", "list the studies, newest first, or show one with its trials")
    status.add_argument("study", metavar="STUDY", nargs="?", help="show this study: its trials, and what went wrong")


def _add_watch(commands: Commands) -> None:
    watch = _command(commands, "watch", "cli.watch", "show a study as it is now, until it ends")
    watch.add_argument("study", metavar="STUDY", nargs="?", help="its name; without one, the study written to last")
    watch.add_argument("--once", action="store_true", help="print it once, as where stdout is no terminal")


def _add_report(commands: Commands) -> None:
    report = _command(commands, "report", "cli.report", "make the report of a study, ended or not: one HTML file")
    report.add_argument("study", metavar="STUDY", nargs="?", help="its name; without one, the study written to last")
    report.add_argument("--output", metavar="FILE", help="write it there too; without it, to STUDY.html in the store")
    report.add_argument("--open", choices=("yes", "no"), help="open it in the browser (yes on a desktop's terminal)")


def _add_ui(commands: Commands) -> None:
    ui = _command(commands, "ui", "cli.ui", "serve the Prefect UI on what flow runs left behind")
    ui.add_argument("--port", type=int, default=4200, help="port on 127.0.0.1 (4200)")


def _add_operations(commands: Commands) -> None:
    up = _command(commands, "up", "cli.up", "start server, UI, worker, deployments and automations on this machine")
    up.add_argument("--port", type=int, default=4200, help="port of the UI and the API on 127.0.0.1 (4200)")
    up.add_argument("--foreground", action="store_true", help="serve until SIGTERM or Ctrl-C, as systemd wants it")
    notify = _command(commands, "notify", "cli.notify", "try the notification blocks")
    notify.add_argument("--test", action="store_true", help="send one message and say whether it arrived")
    notify.add_argument("--block", metavar="TYPE/NAME", action="append", help="instead of those in prefect.yaml")
    _command(commands, "down", "cli.down", "end what `retune up` started")


def _add_azure(commands: Commands) -> None:
    summaries = {
        "provision": (Provision, "make an Azure ML workspace with all that it needs, where it is missing"),
        "preflight": (Preflight, "check security, rights, quota and network of an Azure ML workspace"),
        "tear-down": (TearDown, "delete what `retune provision` made, and nothing else"),
    }
    for name, (form, summary) in summaries.items():
        parser = _command(commands, name, f"cli.{name.replace('-', '_')}", summary, usage=MANY_FLAGS)
        parser.add_argument("--parameters", metavar="FILE", help="YAML or JSON file with parameters; flags override it")
        arguments.add_parameter_flags(parser, form=form)


def _command(commands: Commands, name: str, module: str, summary: str, *, usage: str | None = None) -> Parser:
    description = summary[0].upper() + summary[1:] + "."
    parser = commands.add_parser(name, help=summary, description=description, usage=usage)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout and nothing else")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and all log lines")
    parser.set_defaults(command=lambda options: arguments.load(module).execute(options), parser=parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
