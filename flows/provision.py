"""The flow `provision`: an Azure ML workspace with all that it needs and a cluster, made where they are missing."""

from typing import Any

from prefect import flow

from retuner.logs import prepare_logs
from retuner.parameters import AzureMlCompute
from retuner.parameters.provision import AzureResources
from retuner.provision.site import open_site
from retuner.settings import read_settings
from tasks.blocks import load_azure_ml_identity
from tasks.provision import make_cluster, make_group, make_plan, make_resource, make_workspace, run_preflight
from tasks.stage import tell_flow_failure


@flow(name="provision", flow_run_name="provision", persist_result=False, on_failure=[tell_flow_failure])
def provision(compute: AzureMlCompute, resources: AzureResources) -> dict[str, Any]:
    """Make what is missing; run again after an interruption, it finds what it made.

    Args:
        compute: The workspace and the cluster.
        resources: Where the workspace is made, and what it uses that is there already.
    """
    settings = read_settings()
    prepare_logs(settings.log)
    site = open_site(compute, settings, identity=load_azure_ml_identity(compute))
    plan = make_plan(site, resources)
    pieces = [make_group(site, resources)]
    pieces += [make_resource(site, resource) for resource in plan.resources]
    pieces.append(make_workspace(site, resources, plan))
    pieces.append(make_cluster(site))
    checks = run_preflight(site)
    return {
        "workspace": site.name.scope,
        "pieces": [{"title": one.title, "id": one.id, "created": one.created} for one in pieces],
        "checks": [{"subject": one.subject, "verdict": one.verdict.value, "message": one.message} for one in checks],
    }
