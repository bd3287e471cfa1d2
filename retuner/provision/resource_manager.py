"""Azure Resource Manager as provisioning uses it: the only module that calls the azure-mgmt packages."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from retuner.azure_ml.calls import default_sign_in, import_sdk, in_time
from retuner.azure_ml.errors import ask, status_of
from retuner.azure_ml.region import Permission
from retuner.azure_ml.workspace import CALL_SECONDS
from retuner.errors import RetryableError
from retuner.provision.resources import kind_of, name_of

Answer = TypeVar("Answer")
MAKE_SECONDS = 900.0
"""A resource that is not made or deleted within that time is looked at again by whoever called."""
LOOK_SECONDS = 2.0
ADVICE = {
    403: "give the identity the role 'Contributor' on the resource group, or on the subscription to make the group",
    404: "check the names of subscription and resource group",
    409: "a resource of that name is there, is being changed, or was deleted and is not yet gone: see the portal",
}
_OPTIONS: dict[str, Any] = {"retry_total": 1, "connection_timeout": 20, "read_timeout": 60}


class ResourceManager:
    """One subscription. Methods raise RetryableError or UserError; what is not there is None."""

    def __init__(self, subscription_id: str, sign_in: Callable[[], Any] | None = None) -> None:
        self._subscription_id = subscription_id
        self._sign_in = sign_in or default_sign_in
        self._opened: dict[type, Any] = {}

    def tenant(self) -> str:
        """The directory that the subscription trusts."""
        what = f"The subscription {self._subscription_id} cannot be read"

        def read() -> str:
            import_sdk()
            from azure.mgmt.resource.subscriptions import SubscriptionClient

            client = SubscriptionClient(self._sign_in(), **_OPTIONS)
            return str(client.subscriptions.get(self._subscription_id).tenant_id)

        return self._ask(what, read)

    def is_registered(self, namespace: str) -> bool:
        """Whether the subscription may use a resource provider, such as Microsoft.Storage."""
        found = self._ask(f"{namespace} cannot be looked up", lambda: self._resources().providers.get(namespace))
        return str(found.registration_state) == "Registered"

    def group(self, name: str) -> dict[str, Any] | None:
        """The resource group: id, location, tags."""
        return self._found(
            f"The resource group {name} cannot be read", lambda: self._resources().resource_groups.get(name)
        )

    def create_group(self, name: str, location: str, tags: Mapping[str, str]) -> None:
        body = {"location": location, "tags": dict(tags)}
        what = f"The resource group {name} cannot be made"
        self._ask(what, lambda: self._resources().resource_groups.create_or_update(name, body))

    def delete_group(self, name: str) -> None:
        """Delete the group with everything in it."""
        self._finish(
            f"The resource group {name} cannot be deleted",
            lambda: self._resources().resource_groups.begin_delete(name),
            gone_is_fine=True,
        )

    def contents(self, group: str) -> list[str]:
        """Ids of all resources in the group."""
        what = f"The resources of {group} cannot be listed"
        return self._ask(
            what, lambda: [str(one.id) for one in self._resources().resources.list_by_resource_group(group)]
        )

    def find(self, resource_id: str, api_version: str) -> dict[str, Any] | None:
        """The resource: id, location, tags, properties."""
        what = f"{name_of(resource_id)} cannot be read"
        return self._found(what, lambda: self._resources().resources.get_by_id(resource_id, api_version))

    def create(self, resource_id: str, api_version: str, body: Mapping[str, Any]) -> None:
        """Make the resource, or give it this content. Returns once it is there."""

        def begin() -> Any:
            return self._resources().resources.begin_create_or_update_by_id(
                resource_id, api_version, dict(body), polling_interval=LOOK_SECONDS
            )

        self._finish(f"{name_of(resource_id)} cannot be made", begin)

    def delete(self, resource_id: str, api_version: str) -> None:
        """Delete the resource; one that is not there is no fault."""

        def begin() -> Any:
            return self._resources().resources.begin_delete_by_id(
                resource_id, api_version, polling_interval=LOOK_SECONDS
            )

        self._finish(f"{name_of(resource_id)} cannot be deleted", begin, gone_is_fine=True)

    def is_deleted_vault(self, name: str, location: str) -> bool:
        """Whether a key vault of that name was deleted and can be recovered."""
        found = self._found(
            f"The vault {name} cannot be looked up", lambda: self._vaults().vaults.get_deleted(name, location)
        )
        return found is not None

    def find_by_name(self, name: str, kind: str) -> str | None:
        """Id of the resource of that name and kind in the whole subscription; None where we are shown none."""
        wanted = f"resourceType eq '{kind}' and name eq '{name}'"

        def look() -> str | None:
            return next((str(one.id) for one in self._resources().resources.list(filter=wanted)), None)

        return self._ask(f"{name} cannot be looked up", look)

    def containers(self, account_id: str) -> list[str]:
        """Names of the blob containers of a storage account; none where it is gone."""
        group, account = account_id.split("/")[4], name_of(account_id)

        def read() -> list[str]:
            return [str(one.name) for one in self._storage().blob_containers.list(group, account)]

        return self._unless_gone(f"The containers of {account} cannot be listed", read) or []

    def permissions(self, resource_id: str) -> list[Permission]:
        """What we may do with the resource."""
        group, (namespace, kind) = resource_id.split("/")[4], kind_of(resource_id).split("/")

        def read() -> list[Permission]:
            found = self._authorization().permissions.list_for_resource(
                group, namespace, "", kind, name_of(resource_id)
            )
            return _permissions(found)

        return self._ask(f"What may be done with {name_of(resource_id)} cannot be read", read)

    def group_permissions(self, group: str) -> list[Permission]:
        """What we may do in the resource group."""
        what = f"What may be done in the resource group {group} cannot be read"
        return self._ask(what, lambda: _permissions(self._authorization().permissions.list_for_resource_group(group)))

    def locks(self, group: str) -> list[tuple[str, str]]:
        """Names and levels (CanNotDelete, ReadOnly) of the locks on the resource group."""

        def read() -> list[tuple[str, str]]:
            found = self._locks().management_locks.list_at_resource_group_level(group)
            return [(str(one.name), str(one.level)) for one in found]

        return self._ask(f"The locks on {group} cannot be read", read)

    def _ask(self, what: str, call: Callable[[], Answer], seconds: float = CALL_SECONDS) -> Answer:
        return ask(what, lambda: in_time(call, seconds), ADVICE)

    def _found(self, what: str, call: Callable[[], Any]) -> dict[str, Any] | None:
        return self._unless_gone(what, lambda: dict(call().as_dict()))

    def _unless_gone(self, what: str, call: Callable[[], Answer]) -> Answer | None:
        """The call's answer; None where Azure knows no such thing."""

        def look() -> Answer | None:
            try:
                return call()
            except Exception as error:
                if status_of(error) == 404:
                    return None
                raise

        return self._ask(what, look)

    def _finish(self, what: str, begin: Callable[[], Any], *, gone_is_fine: bool = False) -> None:
        """Start a long-running operation and wait for its end; `gone_is_fine`: 404 is the end of a deletion."""

        def work() -> None:
            try:
                poller = begin()
                poller.result(MAKE_SECONDS)
            except Exception as error:
                if not (gone_is_fine and status_of(error) == 404):
                    raise
                return
            if not poller.done():
                raise RetryableError(f"{what}: it is still {poller.status()} after {MAKE_SECONDS:.0f} s.")

        self._ask(what, work, MAKE_SECONDS + CALL_SECONDS)

    def _client(self, kind: type[Any]) -> Any:
        if kind not in self._opened:
            self._opened[kind] = kind(self._sign_in(), self._subscription_id, **_OPTIONS)
        return self._opened[kind]

    def _resources(self) -> Any:
        import_sdk()
        from azure.mgmt.resource.resources import ResourceManagementClient

        return self._client(ResourceManagementClient)

    def _authorization(self) -> Any:
        import_sdk()
        from azure.mgmt.authorization import AuthorizationManagementClient

        return self._client(AuthorizationManagementClient)

    def _locks(self) -> Any:
        import_sdk()
        from azure.mgmt.resource.locks import ManagementLockClient

        return self._client(ManagementLockClient)

    def _vaults(self) -> Any:
        import_sdk()
        from azure.mgmt.keyvault import KeyVaultManagementClient

        return self._client(KeyVaultManagementClient)

    def _storage(self) -> Any:
        import_sdk()
        from azure.mgmt.storage import StorageManagementClient

        return self._client(StorageManagementClient)


def _permissions(found: Any) -> list[Permission]:
    names = ("actions", "not_actions", "data_actions", "not_data_actions")
    return [Permission(**{name: tuple(getattr(one, name) or ()) for name in names}) for one in found]
