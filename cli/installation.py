"""What `retune up` puts onto a Prefect server: work pool, kinds of block, deployments of prefect.yaml, automations.

Everything is put in place by name, so that doing it again changes nothing that is as it should be.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.deployments import FILE, Deployment, read_deployments
from retuner.errors import RetryableError, UserError
from retuner.parameters import Parameters
from retuner.settings import CHECKOUT
from tasks.notification_blocks import body_template, load_block

WORK_POOL = "retuner"
AUTOMATIONS = CHECKOUT / "deployments" / "automations.yaml"
OURS = "retuner: "
"""With this begin the names of the automations that are ours."""


def install() -> list[str]:
    """Put everything onto the server of PREFECT_API_URL; returns the names of the deployments.

    Raises UserError where prefect.yaml or a block that it names cannot be used; then nothing has been changed.
    """
    from tasks.blocks import register_block_types

    deployments = read_deployments()
    automations = wanted_automations(_read(AUTOMATIONS), deployments)
    _prefect("work-pool", "create", WORK_POOL, "--type", "process", "--overwrite")
    register_block_types()
    _prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(FILE))
    names = sorted(deployment.path for deployment in deployments)
    for name in names:
        _complete_form(name)
    put_automations(automations)
    return names


def notification_blocks(deployments: list[Deployment]) -> list[str]:
    """The notification blocks that the deployments name."""
    return sorted({block for deployment in deployments for block in deployment.blocks})


def wanted_automations(entries: list[dict[str, Any]], deployments: list[Deployment]) -> list[dict[str, Any]]:
    """The automations as Prefect takes them; those that notify tell whom the deployments' `notify` names.

    Those with `flow` watch each deployment of that flow (`any`: of all flows), one by one, and tell whom it names. What
    concerns no deployment, or clean-up, which has no `notify`, is told to all who are told of failures. Those with
    `periods` watch scheduled ones alone, for so many of their periods.
    """
    ids = {name: str(load_block(name)._block_document_id) for name in notification_blocks(deployments)}
    wanted = []
    for entry in entries:
        fields = dict(entry)
        flow, periods, message = fields.pop("flow", None), fields.pop("periods", None), fields.pop("notify", None)
        made = [(fields, None)] if flow is None else _per_deployment(fields, deployments, flow=flow, periods=periods)
        for automation, deployment in made:
            if message is None:
                wanted.append(automation)
            elif blocks := _told_of_failures(deployment, deployments):
                wanted.append({**automation, "actions": [_notification(name, ids[name], message) for name in blocks]})
    return wanted


def _notification(block: str, id_: str, message: dict[str, str]) -> dict[str, Any]:
    body = body_template(block, message["body"])
    return {"type": "send-notification", "block_document_id": id_, **message, "body": body}


def _told_of_failures(deployment: Deployment | None, deployments: list[Deployment]) -> list[str]:
    """The blocks of the deployment; of all of them where it has no `notify`, or it is about none."""
    having = deployments if deployment is None or deployment.events is None else [deployment]
    return notification_blocks([one for one in having if "failure" in (one.events or ())])


def _per_deployment(
    entry: dict[str, Any], deployments: list[Deployment], *, flow: str, periods: float | None
) -> Iterator[tuple[dict[str, Any], Deployment]]:
    """The entry for each deployment of the flow; where it counts in periods, for each that has a schedule."""
    for deployment in deployments:
        if flow not in ("any", deployment.flow) or (periods is not None and deployment.period is None):
            continue
        trigger = {**entry["trigger"], "match_related": _labels(deployment)}
        if periods is not None and deployment.period is not None:
            trigger["within"] = periods * deployment.period
        yield {**entry, "name": f"{entry['name']} ({deployment.path})", "trigger": trigger}, deployment


def _labels(deployment: Deployment) -> list[dict[str, str]]:
    """What events of its flow runs are related to."""
    roles = {"flow": deployment.flow, "deployment": deployment.name}
    return [{"prefect.resource.role": role, "prefect.resource.name": name} for role, name in roles.items()]


def put_automations(wanted: list[dict[str, Any]]) -> None:
    """Create these automations, change those of the same name, remove others of ours.

    One that is as it should be keeps what it counts.
    """
    from prefect.client.orchestration import get_client
    from prefect.events.schemas.automations import AutomationCore

    with get_client(sync_client=True) as client:
        for values in wanted:
            automation = AutomationCore.model_validate(values)
            earlier = client.read_automations_by_name(automation.name)
            if not earlier:
                client.create_automation(automation)
            elif _content(earlier[0]) != _content(automation):
                client.update_automation(earlier[0].id, automation)
        names = {values["name"] for values in wanted}
        for automation in client.read_automations():
            if automation.name.startswith(OURS) and automation.name not in names:
                client.delete_automation(automation.id)


def _content(automation: Any) -> dict[str, Any]:
    """What a person wrote of it: without the identities that the server adds.

    Not as JSON: there its sets of events are lists, in an order that each process has for itself.
    """
    content: dict[str, Any] = automation.model_dump(
        exclude={"id": True, "trigger": {"id": True}, "owner_resource": True}
    )
    return content


def _complete_form(deployment: str) -> None:
    """Write the completed form over the one that Prefect made from the flow's signature."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        client.request(
            "PATCH",
            "/deployments/{id}",
            path_params={"id": found.id},
            json={"parameter_openapi_schema": complete_form(found.parameter_openapi_schema or {})},
        )


def complete_form(schema: dict[str, Any]) -> dict[str, Any]:
    """The form with a title for each group, the bounds of single values, and unknown names refused by the API.

    Prefect's schema of a flow takes none of these from the signature, and lets any name through at the top level.
    """
    bounds = Parameters.model_json_schema()["properties"]
    properties = {
        # what may be empty (anyOf) has its bounds already, and must not get the type of what it is filled with
        name: {**({} if "anyOf" in field else bounds.get(name, {})), **field, "title": _title(name)}
        if "$ref" not in field
        else {**field, "title": _title(name)}
        for name, field in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties, "additionalProperties": False}


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _read(file: Path) -> Any:
    import yaml

    return yaml.safe_load(file.read_text())


def _prefect(*arguments: str) -> None:
    """Run Prefect's own command. What it says is passed on where it fails, without its frames and colours."""
    command = [sys.executable, "-m", "prefect", *arguments]
    environment = {**os.environ, "RETUNER_CHECKOUT": str(CHECKOUT), "NO_COLOR": "1", "COLUMNS": "1000"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
        )
    except subprocess.TimeoutExpired:
        raise RetryableError(f"prefect {arguments[0]} did not end within 180 s: the Prefect API is too slow.") from None
    if done.returncode != 0:
        words = " ".join((done.stderr or done.stdout).split())
        raise UserError(f"prefect {' '.join(arguments[:3])} failed: {words[-600:]}")
