"""Tasks of provisioning and tear-down: one thing is made, looked at or deleted in each."""

import logging
from collections.abc import Collection

from retuner.parameters.provision import AzureResources
from retuner.provision import create, preflight, tear_down
from retuner.provision.checks import Check, Verdict
from retuner.provision.create import Piece, Plan
from retuner.provision.resources import Resource
from retuner.provision.site import Site
from retuner.provision.tear_down import Demolition, Doomed
from tasks.stage import stage

logger = logging.getLogger("retuner.tasks")


@stage(name="plan", task_run_name="plan")
def make_plan(site: Site, resources: AzureResources) -> Plan:
    """Find out what is missing, and refuse what cannot work."""
    return create.make_plan(site, resources)


@stage(name="make-group", task_run_name="make-group")
def make_group(site: Site, resources: AzureResources) -> Piece:
    """The resource group."""
    return _told(create.make_group(site, resources))


@stage(name="make-resource", task_run_name="make-{resource.role}")
def make_resource(site: Site, resource: Resource) -> Piece:
    """One resource that the workspace needs."""
    return _told(create.make_resource(site, resource))


@stage(name="make-workspace", task_run_name="make-workspace")
def make_workspace(site: Site, resources: AzureResources, plan: Plan) -> Piece:
    """The workspace."""
    return _told(create.make_workspace(site, resources, plan))


@stage(name="make-cluster", task_run_name="make-cluster")
def make_cluster(site: Site) -> Piece:
    """The cluster."""
    return _told(create.make_cluster(site))


@stage(name="preflight", task_run_name="preflight")
def run_preflight(site: Site) -> list[Check]:
    """Look at everything that a retune needs."""
    found = preflight.preflight(site)
    for check in found:
        level = logging.WARNING if check.verdict is Verdict.FAILS else logging.INFO
        logger.log(level, "%s %s: %s", check.subject, check.verdict.value, check.message)
    return found


@stage(name="survey", task_run_name="survey")
def survey(site: Site, confirm: str, delete_containers: Collection[str]) -> Demolition:
    """Name all that will be deleted; without the right confirmation it ends here."""
    plan = tear_down.survey(site, delete_containers)
    for line in [f"Will be deleted: {one.line}" for one in plan.delete] + [one.line for one in plan.keep]:
        logger.info("%s", line)
    tear_down.check_confirmation(site, confirm, plan)
    return plan


@stage(name="delete", task_run_name="delete-{doomed.title}")
def delete(site: Site, doomed: Doomed) -> None:
    """Delete one thing."""
    tear_down.demolish(site, doomed)
    logger.info("Deleted: %s", doomed.title)


def _told(piece: Piece) -> Piece:
    logger.info("%s", piece.line)
    return piece
