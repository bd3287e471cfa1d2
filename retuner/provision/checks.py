"""What preflight says of a site, from what Azure shows of it: pure functions from resources to findings.

A check holds, fails, or could not be made; what no answer of Azure shows is never called well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retuner.azure_ml.region import Permission, Quota, VmSize
from retuner.compute.azure_ml_preflight import concerned_quotas
from retuner.parameters import AzureMlCompute
from retuner.provision.resources import name_of

Properties = Mapping[str, Any]
_ML = "Microsoft.MachineLearningServices/workspaces"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_ACTIONS = {
    f"{_ML}/experiments/runs/submit/action": "AzureML Data Scientist",
    f"{_ML}/experiments/runs/write": "AzureML Data Scientist",
    f"{_ML}/environments/write": "AzureML Data Scientist",
    f"{_ML}/models/write": "AzureML Data Scientist",
    f"{_ML}/computes/write": "AzureML Compute Operator",
}
"""What a retune does in the workspace, and the built-in role that holds it."""
_DATA = (f"{_BLOBS}/containers/blobs/read", f"{_BLOBS}/containers/blobs/write")
_SERVICES = ("Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.ContainerRegistry")
"""What nodes in a virtual network reach through service endpoints."""


class Verdict(StrEnum):
    """How a check ended."""

    HOLDS = "holds"
    FAILS = "fails"
    UNSEEN = "unseen"


@dataclass(frozen=True)
class Check:
    """One check: what it looked at, how it ended, and the fact with the next step."""

    subject: str
    verdict: Verdict
    message: str


def check_storage(account: str, properties: Properties) -> Iterator[Check]:
    """Https only, TLS, public access and encryption of a storage account. A missing field is Azure's default."""
    update = f"az storage account update --name {account}"
    https = properties.get("supportsHttpsTrafficOnly")
    yield _told(
        "https",
        https is True,
        f"{account} takes https only.",
        f"{account} takes plain http too (supportsHttpsTrafficOnly={https}): {update} --https-only true",
    )
    tls = properties.get("minimumTlsVersion")
    yield _told(
        "tls",
        tls is not None and str(tls) >= "TLS1_2",
        f"{account} takes {tls} and later.",
        f"{account} takes TLS older than 1.2 (minimumTlsVersion={tls}): {update} --min-tls-version TLS1_2",
    )
    public = properties.get("allowBlobPublicAccess")
    yield _told(
        "public-access",
        public is False,
        f"{account} allows no public access to blobs.",
        f"{account} allows public access to blobs (allowBlobPublicAccess={public}): {update} "
        f"--allow-blob-public-access false",
    )
    encryption = properties.get("encryption") or {}
    enabled = ((encryption.get("services") or {}).get("blob") or {}).get("enabled")
    yield _told(
        "encryption-at-rest",
        enabled is True,
        f"{account} encrypts blobs with keys from {encryption.get('keySource')}.",
        f"{account} does not say that it encrypts blobs (encryption.services.blob.enabled={enabled}).",
    )


def check_vault(vault: str, properties: Properties) -> Iterator[Check]:
    """What a key vault shows: it is encrypted and speaks TLS 1.2 by Azure's word alone."""
    public = (properties.get("networkAcls") or {}).get("defaultAction") != "Deny"
    reach = "from every network, by those with a right" if public else "from named networks alone"
    yield Check("key-vault", Verdict.HOLDS, f"{vault} answers {reach}.")
    yield Check(
        "tls", Verdict.UNSEEN, f"{vault}: no field tells its least TLS version or its encryption; Azure sets both."
    )


def check_registry(registry: str, properties: Properties) -> Iterator[Check]:
    """Whether anybody can pull images, and what cannot be seen of their encryption."""
    anonymous = properties.get("anonymousPullEnabled")
    yield _told(
        "public-access",
        anonymous is not True,
        f"{registry} gives images to nobody without a login.",
        f"{registry} gives images to everybody: az acr update --name {registry} --anonymous-pull-enabled false",
    )
    yield Check(
        "encryption-at-rest", Verdict.UNSEEN, f"{registry}: no field tells that images are encrypted; Azure sets it."
    )


def check_workspace(workspace: str, properties: Properties) -> Iterator[Check]:
    """What the workspace shows of the encryption of nodes and metadata."""
    if properties.get("hbiWorkspace"):
        message = (
            "its nodes' local disks are encrypted unless the subscription had clusters before it; which cannot be seen."
        )
        yield Check("encryption-at-rest", Verdict.UNSEEN, f"{workspace} was made with hbi_workspace: {message}")
    else:
        yield Check(
            "encryption-at-rest",
            Verdict.FAILS,
            f"{workspace} was made without hbi_workspace, so its nodes' local disks, where the dataset lies for the "
            f"length of a job, are not encrypted: only a new workspace can be (retune provision makes it so).",
        )
    key = (properties.get("encryption") or {}).get("status") == "Enabled"
    keys = "a key of yours" if key else "Microsoft's keys"
    yield Check(
        "encryption-at-rest",
        Verdict.UNSEEN,
        f"{workspace}: its metadata are encrypted with {keys} by Azure's word alone.",
    )


def check_rights(roles: Sequence[Permission], workspace: str) -> Iterator[Check]:
    """Whether our identity may do in the workspace what a retune does."""
    missing = {action: role for action, role in _ACTIONS.items() if not _may(roles, action)}
    lacking = " and ".join(f"'{role}'" for role in dict.fromkeys(missing.values()))
    yield _told(
        "roles",
        not missing,
        f"The identity may submit jobs, scale clusters and register models in {workspace}.",
        f"The identity may not {', '.join(missing)} in {workspace}: give it the role {lacking} there.",
    )
    yield Check(
        "roles",
        Verdict.UNSEEN,
        "Deny assignments, conditions on roles, and the roles of the identities of the workspace and its nodes.",
    )


def check_data_rights(roles: Sequence[Permission], account: str) -> Iterator[Check]:
    """Whether our identity may write blobs and sign for others; a right on a container alone is not in the answer."""
    can_write = all(_may(roles, action, data=True) for action in _DATA)
    can_sign = _may(roles, f"{_BLOBS}/generateUserDelegationKey/action")
    if can_write and can_sign:
        yield Check("roles", Verdict.HOLDS, f"The identity may read, write and sign for blobs of {account}.")
        return
    lacking = " and ".join(
        role
        for role, has in (("'Storage Blob Data Contributor'", can_write), ("'Storage Blob Delegator'", can_sign))
        if not has
    )
    yield Check(
        "roles",
        Verdict.UNSEEN,
        f"The identity has no role like {lacking} on the whole account {account}: one on the container alone, or a "
        f"block with two SAS, does as well, and cannot be seen from here.",
    )


def check_capacity(
    compute: AzureMlCompute, sizes: Mapping[str, VmSize], quotas: Sequence[Quota], place: str
) -> Iterator[Check]:
    """Whether the quota carries the cluster's most nodes, whatever runs there now."""
    size = sizes.get(compute.vm_size.upper())
    if size is None:
        yield Check(
            "quota", Verdict.FAILS, f"The region {place} has no VM size {compute.vm_size}: set compute.vm_size."
        )
        return
    needed, found = compute.max_nodes * size.cores, concerned_quotas(quotas, size, compute)
    for quota in found:
        fact = f"{compute.max_nodes} nodes of {size.name} need {needed} vCPU, and '{quota.name}' allows {quota.limit}"
        yield _told(
            "quota",
            needed <= quota.limit,
            f"{fact} ({quota.used} in use now).",
            f"{fact}: set compute.max_nodes to {quota.limit // size.cores}, or ask for more quota.",
        )
    if not found:
        yield Check("quota", Verdict.UNSEEN, f"No quota for {size.name} in {place} is told to this identity.")


def check_locks(locks: list[tuple[str, str]], group: str) -> Iterator[Check]:
    """A lock on the resource group keeps clusters from being scaled."""
    names = ", ".join(f"{name} ({level})" for name, level in locks)
    yield _told(
        "locks",
        not locks,
        f"There is no lock on the resource group {group}.",
        f"The resource group {group} has the locks {names}, which keep clusters from being scaled: remove them.",
    )


def check_network(subnet_id: str | None, subnet: Properties | None, account: str, rules: Properties) -> Iterator[Check]:
    """Whether the nodes reach the storage account: their subnet, its service endpoints, the account's firewall."""
    closed = rules.get("defaultAction") == "Deny"
    allowed = {str(rule.get("id", "")).lower() for rule in rules.get("virtualNetworkRules") or []}
    if subnet_id is None:
        yield _told(
            "network",
            not closed,
            f"The nodes join no virtual network, and {account} answers every network.",
            f"{account} answers named networks alone, and the nodes join none: set compute.vnet and compute.subnet.",
        )
        return
    if subnet is None:
        yield Check(
            "network", Verdict.FAILS, f"There is no subnet {subnet_id}: correct compute.vnet and compute.subnet."
        )
        return
    endpoints = {str(one.get("service")) for one in subnet.get("serviceEndpoints") or []}
    missing = [service for service in _SERVICES if service not in endpoints]
    yield _told(
        "network",
        not missing,
        f"The subnet {name_of(subnet_id)} has the service endpoints {', '.join(_SERVICES)}.",
        f"The subnet {name_of(subnet_id)} lacks the service endpoints {', '.join(missing)}: az network vnet subnet "
        f"update --ids {subnet_id} --service-endpoints {' '.join(_SERVICES)}",
    )
    yield _told(
        "network",
        closed and subnet_id.lower() in allowed,
        f"{account} answers the subnet {name_of(subnet_id)} and other named networks alone.",
        f"{account} answers {'other networks, not the subnet' if closed else 'every network, not only the subnet'} "
        f"{name_of(subnet_id)}: az storage account network-rule add --account-name {account} --subnet {subnet_id} && "
        f"az storage account update --name {account} --default-action Deny",
    )
    yield Check(
        "network", Verdict.UNSEEN, "Security groups, routes, DNS and private endpoints between nodes and services."
    )


def _told(subject: str, holds: bool, good: str, bad: str) -> Check:
    return Check(subject, Verdict.HOLDS if holds else Verdict.FAILS, good if holds else bad)


def _may(roles: Sequence[Permission], action: str, *, data: bool = False) -> bool:
    return any(role.allows(action, data=data) for role in roles)
