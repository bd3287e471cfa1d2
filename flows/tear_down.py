"""The flow `tear-down`: takes away what `provision` made, and nothing else."""

from typing import Any

from prefect import flow

from retuner.logs import prepare_logs
from retuner.parameters import AzureMlCompute
from retuner.parameters.provision import Confirmation, ContainerNames
from retuner.provision.site import open_site
from retuner.settings import read_settings
from tasks.blocks import load_azure_ml_identity
from tasks.provision import delete, survey
from tasks.stage import tell_flow_failure


@flow(name="tear-down", flow_run_name="tear-down", persist_result=False, on_failure=[tell_flow_failure])
def tear_down(
    compute: AzureMlCompute, confirm: Confirmation = "", delete_containers: ContainerNames = ""
) -> dict[str, Any]:
    """Delete what carries retuner's mark, in the order that Azure wants.

    Args:
        compute: The workspace and the cluster.
        confirm: Name of the workspace once more; anything else deletes nothing.
        delete_containers: Containers, separated by commas, that go with the storage account though Azure ML did not
            make them.
    """
    settings = read_settings()
    prepare_logs(settings.log)
    site = open_site(compute, settings, identity=load_azure_ml_identity(compute))
    plan = survey(site, confirm, delete_containers.split(","))
    for doomed in plan.delete:
        delete(site, doomed)
    return {
        "workspace": site.name.scope,
        "deleted": [{"title": one.title, "id": one.id} for one in plan.delete],
        "kept": [{"title": one.title, "reason": one.reason} for one in plan.keep],
    }
