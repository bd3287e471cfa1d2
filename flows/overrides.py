"""A flow run of a deployment may name a part of a group: what it does not name is the deployment's.

Prefect itself replaces a group as a whole: with `{"search": {"trials": 5}}` in a request, the sampler would be the
flow's default and not the deployment's.
"""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import deployment

from retuner.parameters import Parameters
from retuner.parameters.values import merge_groups, parse_parameters


def keep_deployment_values(given: Parameters) -> Parameters:
    """The values of this flow run's deployment, where it has one, overridden by those that were given."""
    if deployment.id is None:
        return given
    with get_client(sync_client=True) as client:
        values = client.read_deployment(UUID(str(deployment.id))).parameters
    own = {name: value for name, value in values.items() if name in Parameters.model_fields}
    return parse_parameters(merge_groups(own, given.model_dump(mode="json", exclude_unset=True)))
