"""`retune ask`: the champion's best answers to one question, or whatever else its recipe is asked."""

import argparse
import json
from textwrap import shorten
from typing import Any

from cli import arguments
from cli.credentials import azure_ml_identity
from cli.output import show
from retuner.azure_ml.identity import name_workspaces, sign_in_as
from retuner.errors import UserError
from retuner.parameters import AzureMlRegistry
from retuner.parameters.values import parse_parameters
from retuner.settings import read_settings

SHOWN = 100
"""Characters of an answer's first line that a person is shown; `--json` has all of it."""
UNLIKELY = 0.05
"""Where no answer's probability reaches it, a person is told that none matches."""


def execute(options: argparse.Namespace) -> int:
    """Print the answers, best first."""
    if options.top < 1:
        raise UserError(f"--top is {options.top}: ask for at least one answer.")
    if not options.text.strip():
        raise UserError("The question is empty: put it in quotes.")
    parameters, settings = parse_parameters(arguments.read_parameters(options, {})), read_settings()
    identity = None
    if isinstance(parameters.registry, AzureMlRegistry):
        # a file of `retune run` may name workspace and credentials with the compute target alone
        identity = azure_ml_identity(parameters.compute, settings)
        parameters = name_workspaces(parameters, identity)
    from retuner.champion import load_champion

    version, model = load_champion(parameters.model_name, parameters.registry, settings, sign_in=sign_in_as(identity))
    from retuner_training.errors import InvalidInput  # the version's own, as its code is on the path by now

    try:
        answers = model.answer(options.text, top=options.top)
    except InvalidInput as error:
        raise UserError(str(error)) from None
    except Exception as error:  # the recipe's own code, which may raise anything
        raise UserError(
            f"The recipe {model.recipe} of {version.name} version {version.version} could not answer: it raised "
            f"{type(error).__name__}: {error} (--debug shows where)"
        ) from error
    if options.json:
        show(json.dumps({"model": {"name": version.name, "version": version.version}, "answers": answers}))
        return 0
    for line in answer_lines(answers):
        show(line)
    return 0


def answer_lines(answers: list[dict[str, Any]]) -> list[str]:
    """The answers as people read them; first, where it is so, that none of them is likely."""
    best = max((answer["probability"] for answer in answers), default=0.0)
    lines = [f"No answer is likely: the best one has a probability of {best:.1%}."] if best < UNLIKELY else []
    for number, answer in enumerate(answers, start=1):
        line, *below = [str(value) for name, value in answer.items() if name not in ("id", "probability")]
        lines.append(f"{number}. {shorten(line, SHOWN, placeholder=' (..)')}  ({answer['probability']:.0%})")
        lines += [f"   {value}" for value in below]
    return lines
