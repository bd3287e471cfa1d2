"""Who we are to Azure ML, and which workspace that is about: the parameters, and what a credentials block names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from retuner.azure_ml.calls import default_sign_in, sign_in_with_secret
from retuner.azure_ml.workspace import WorkspaceName
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, AzureMlRegistry, Parameters
from retuner.storage.credentials import ServicePrincipal

FIELDS = ("subscription_id", "resource_group", "workspace")


@dataclass(frozen=True)
class AzureMlIdentity:
    """A service principal with the workspace that its block names; without one, this machine's own identity."""

    principal: ServicePrincipal | None = None
    workspace: WorkspaceName | None = None


def workspace_of(parameters: AzureMlCompute | AzureMlRegistry) -> WorkspaceName:
    """The workspace that the parameters name. Raises UserError where a part of its name is missing."""
    if isinstance(parameters, AzureMlCompute):
        group, instead = "compute", "name a block in compute.credentials_block"
    else:
        group, instead = "registry", "those of the compute target"
    names = {field: getattr(parameters, field) for field in FIELDS}
    missing = [f"{group}.{field}" for field, value in names.items() if not value]
    if missing:
        raise UserError(f"The Azure ML workspace is not named: set {', '.join(missing)}, or {instead}.")
    return WorkspaceName(**names)


def name_workspaces(parameters: Parameters, identity: AzureMlIdentity | None) -> Parameters:
    """The parameters with the names that they leave open: the compute target's from the block, the registry's from it.

    Raises UserError where parameters and block disagree. A part that is still missing is told by who needs it.
    """
    compute, registry = parameters.compute, parameters.registry
    if isinstance(compute, AzureMlCompute):
        compute = name_compute(compute, identity)
        if isinstance(registry, AzureMlRegistry):
            registry = registry.model_copy(update=_missing_names(registry, compute))
    return parameters.model_copy(update={"compute": compute, "registry": registry})


def name_compute(compute: AzureMlCompute, identity: AzureMlIdentity | None) -> AzureMlCompute:
    """The compute target with the names that it leaves open. Raises UserError as `name_workspaces` does."""
    of_block = identity.workspace if identity else None
    named = compute.model_copy(update=_missing_names(compute, of_block))
    _check_agreement(named, of_block)
    return named


def sign_in_as(identity: AzureMlIdentity | None) -> Callable[[], Any]:
    """What signs in to a workspace: the block's service principal, else what the environment and the machine are."""
    principal = identity.principal if identity else None
    if principal is None:
        return default_sign_in

    return partial(sign_in_with_secret, principal.tenant_id, principal.client_id, principal.client_secret)


def _missing_names(
    parameters: AzureMlCompute | AzureMlRegistry, known: WorkspaceName | AzureMlCompute | None
) -> dict[str, str | None]:
    return {field: getattr(known, field) for field in FIELDS if known and not getattr(parameters, field)}


def _check_agreement(compute: AzureMlCompute, of_block: WorkspaceName | None) -> None:
    for field in FIELDS if of_block else ():
        mine, theirs = str(getattr(compute, field)), str(getattr(of_block, field))
        if mine.lower() != theirs.lower():
            raise UserError(
                f"compute.{field} is {mine}, and the block {compute.credentials_block} is for {theirs}: correct one of "
                f"them."
            )
