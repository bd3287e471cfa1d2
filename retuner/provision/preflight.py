"""The check before the first retune: looks at everything that a retune uses in Azure, and changes nothing."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from retuner.errors import UserError
from retuner.parameters import BlobStorage, FolderStorage
from retuner.provision import checks
from retuner.provision.checks import Check, Verdict
from retuner.provision.network import subnet_id
from retuner.provision.resources import NETWORK_API, WORKSPACE_API, name_of
from retuner.provision.site import Site

Seen = TypeVar("Seen")
Properties = dict[str, Any]
_ACCOUNT, _VAULT, _REGISTRY = "storage account", "key vault", "container registry"
_API = {_ACCOUNT: "2023-05-01", _VAULT: "2023-07-01", _REGISTRY: "2023-07-01"}
_ACCOUNTS = "Microsoft.Storage/storageAccounts"


def preflight(site: Site, storage: FolderStorage | BlobStorage | None = None) -> list[Check]:
    """All checks by subject; `storage` is where data and results lie, beside the workspace's own account.

    Raises UserError where there is no workspace to look at.
    """
    workspace = site.manager.find(site.name.scope, WORKSPACE_API)
    if workspace is None:
        raise UserError(
            f"There is no workspace {site.name.workspace} in {site.name.resource_group}: make one with retune "
            f"provision, or correct compute.workspace and compute.resource_group."
        )
    properties: Properties = workspace["properties"]
    account = properties.get("storageAccount")
    found = [
        *checks.check_workspace(site.name.workspace, properties),
        *_look_at_account(site, account),
        *_look_at_other_account(site, storage, account),
        *_look_at(site, _VAULT, properties.get("keyVault"), checks.check_vault),
        *_look_at(site, _REGISTRY, properties.get("containerRegistry"), checks.check_registry),
        *_look_at_workspace(site, str(workspace["location"])),
    ]
    return sorted(found, key=lambda check: check.subject)


def has_failed(found: Iterable[Check]) -> bool:
    """Whether a person must change something."""
    return any(check.verdict is Verdict.FAILS for check in found)


def _look_at_workspace(site: Site, location: str) -> list[Check]:
    """Our rights in the workspace, the region's quota, and locks."""
    name, region = site.name, site.workspace.region(location)
    return [
        *_if_seen(
            "roles",
            lambda: site.manager.permissions(name.scope),
            lambda seen: checks.check_rights(seen, name.workspace),
        ),
        *_if_seen(
            "quota",
            lambda: (region.vm_sizes(), region.quotas()),
            lambda seen: checks.check_capacity(site.compute, *seen, location),
        ),
        *_if_seen(
            "locks",
            lambda: site.manager.locks(name.resource_group),
            lambda seen: checks.check_locks(seen, name.resource_group),
        ),
    ]


def _look_at_account(site: Site, account_id: str | None) -> list[Check]:
    """A storage account: how it is set, what we may do in it, whether the nodes reach it."""

    def judge(name: str, properties: Properties) -> list[Check]:
        rules = properties.get("networkAcls") or {}
        return [*checks.check_storage(name, properties), *_look_at_network(site, name, rules)]

    found = _look_at(site, _ACCOUNT, account_id, judge)
    if account_id:
        found += _if_seen(
            "roles",
            lambda: site.manager.permissions(account_id),
            lambda seen: checks.check_data_rights(seen, name_of(account_id)),
        )
    return found


def _look_at_other_account(site: Site, storage: FolderStorage | BlobStorage | None, known: str | None) -> list[Check]:
    """The account that data and results lie in, where it is not the workspace's own."""
    if not isinstance(storage, BlobStorage):
        return []
    if storage.account_url is None:
        message = "The account for data and results is named in a block, which preflight does not open."
        return [Check(_subject(_ACCOUNT), Verdict.UNSEEN, message)]
    name = (urlsplit(storage.account_url).hostname or "").partition(".")[0]
    if name == name_of(known or ""):
        return []
    try:
        other = site.manager.find_by_name(name, _ACCOUNTS)
    except UserError as error:
        return [Check(_subject(_ACCOUNT), Verdict.UNSEEN, str(error))]
    if other is None:
        message = f"The subscription shows no storage account {name} to this identity."
        return [Check(_subject(_ACCOUNT), Verdict.UNSEEN, message)]
    return _look_at_account(site, other)


def _look_at(
    site: Site, title: str, resource_id: str | None, judge: Callable[[str, Properties], Iterable[Check]]
) -> list[Check]:
    """The checks of a resource that the workspace names."""
    subject = _subject(title)
    if not resource_id:
        return [Check(subject, Verdict.UNSEEN, f"The workspace names no {title} yet.")]

    def of(resource: Properties | None) -> Iterable[Check]:
        if resource is None:
            return [Check(subject, Verdict.FAILS, f"The {title} {resource_id} is gone.")]
        return judge(name_of(resource_id), resource.get("properties") or {})

    return _if_seen(subject, lambda: site.manager.find(resource_id, _API[title]), of)


def _look_at_network(site: Site, account: str, rules: Properties) -> list[Check]:
    subnet = subnet_id(site.compute)
    if subnet is None:
        return list(checks.check_network(None, None, account, rules))

    def look() -> Properties | None:
        found = site.manager.find(subnet, NETWORK_API)
        return None if found is None else (found.get("properties") or {})

    return _if_seen("network", look, lambda seen: checks.check_network(subnet, seen, account, rules))


def _if_seen(subject: str, look: Callable[[], Seen], judge: Callable[[Seen], Iterable[Check]]) -> list[Check]:
    """The checks of what was seen; where it may not be looked at, that is the finding."""
    try:
        seen = look()
    except UserError as error:
        return [Check(subject, Verdict.UNSEEN, str(error))]
    return list(judge(seen))


def _subject(title: str) -> str:
    return title.replace(" ", "-")
