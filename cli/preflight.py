"""`retune preflight`: what could keep a retune on Azure ML from running well, and what cannot be seen from here."""

import argparse
import json
from collections.abc import Iterable
from typing import Any

from cli import arguments
from cli.credentials import azure_ml_identity
from cli.output import show
from retuner.parameters.provision import Preflight
from retuner.settings import read_settings


def execute(options: argparse.Namespace) -> int:
    """Print every check. Exit status 1 where one fails."""
    parameters = arguments.read_form(options, Preflight)
    compute = parameters.compute
    settings = read_settings()
    from retuner.provision.preflight import has_failed, preflight
    from retuner.provision.site import open_site

    site = open_site(compute, settings, identity=azure_ml_identity(compute, settings))
    found = preflight(site, parameters.storage)
    checks = [{"subject": one.subject, "verdict": one.verdict.value, "message": one.message} for one in found]
    show(json.dumps({"checks": checks}) if options.json else "\n".join(check_lines(checks)))
    return int(has_failed(found))


def check_lines(checks: Iterable[dict[str, Any]]) -> list[str]:
    """A line a check, for people."""
    return [f"{one['verdict']:<7} {one['subject']:<19} {one['message']}" for one in checks]
