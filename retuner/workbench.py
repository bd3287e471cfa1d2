"""The tools that one flow run works with: opened together, held under the model's lease, given back together."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from retuner.azure_ml.identity import AzureMlIdentity, sign_in_as, workspace_of
from retuner.data.dataset import Dataset, make_dataset
from retuner.errors import Interrupted, UserError
from retuner.parameters import AzureMlCompute, BlobStorage, DaskCompute, FolderStorage, Parameters
from retuner.registry import open_registry
from retuner.registry.registry import Registry
from retuner.search.lease import hold_lease
from retuner.search.ledger import Ledger
from retuner.search.records import now
from retuner.settings import Settings
from retuner.storage import open_store
from retuner.storage.credentials import BlobCredentials
from retuner.storage.store import Store
from retuner_training.errors import InvalidInput
from retuner_training.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class Workbench:
    """What every stage needs. Everything here is open until the flow run ends."""

    parameters: Parameters
    settings: Settings
    recipe: Recipe
    store: Store
    registry: Registry
    ledger: Ledger
    stop: threading.Event
    """Set when the flow run shall end now; stages look at it wherever they wait."""
    azure_ml_identity: AzureMlIdentity | None = field(default=None, repr=False)
    """Who signs in to Azure ML; None where it is this machine's identity, or where nobody does."""

    opened: datetime = field(default_factory=now)
    """Since when this flow run works on the model."""

    @property
    def scratch(self) -> Path:
        """A folder for files that this flow run alone needs."""
        return self.settings.scratch / self.parameters.model_name

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset of the parameters, made for whoever needs it first: the plan's probe trial or the search."""
        data, home = self.parameters.data, self.settings.home
        return make_dataset(data, self.recipe, raw=self.scratch / "raw", home=home)

    def check_stop(self) -> None:
        """Raise Interrupted where the flow run was asked to stop."""
        if self.stop.is_set():
            raise Interrupted("The flow run was asked to stop before it had a study: start it again.")


@contextmanager
def open_workbench(
    parameters: Parameters,
    settings: Settings,
    stop: threading.Event,
    *,
    blob_credentials: BlobCredentials | None = None,
    azure_ml_identity: AzureMlIdentity | None = None,
) -> Iterator[Workbench]:
    """Take the model's lease and open everything. Raises UserError where another flow run holds it for too long.

    `blob_credentials` open a store in Blob storage, `azure_ml_identity` signs in to Azure ML; without them it is this
    machine's identity.
    """
    recipe = find_recipe(parameters.recipe)
    _check_reach(parameters)
    with ExitStack() as opened:
        patience = 60 * parameters.start.lease_wait_minutes
        opened.enter_context(hold_lease(parameters.model_name, settings, wait_seconds=patience, stop=stop))
        minutes = parameters.budget.max_minutes
        until = None if minutes is None else datetime.now(UTC) + timedelta(minutes=minutes)
        yield Workbench(
            parameters=parameters,
            settings=settings,
            recipe=recipe,
            store=open_store(parameters.storage, settings, credentials=blob_credentials, until=until),
            registry=open_registry(parameters.registry, settings, sign_in=sign_in_as(azure_ml_identity)),
            ledger=opened.enter_context(Ledger(settings.ledger_url)),
            stop=stop,
            azure_ml_identity=azure_ml_identity,
        )


def _check_reach(parameters: Parameters) -> None:
    """Raise UserError where nobody could reach the compute target, or its jobs the storage."""
    if isinstance(parameters.storage, BlobStorage) and isinstance(parameters.compute, DaskCompute):
        raise UserError(
            f"Jobs on Dask read and write a folder, and storage is the container {parameters.storage.container}: "
            f"name a folder in storage.folder, or another compute target."
        )
    if not isinstance(parameters.compute, AzureMlCompute):
        return
    workspace_of(parameters.compute)
    if isinstance(parameters.storage, FolderStorage):
        raise UserError(
            "Jobs on Azure ML read and write Blob storage, and storage is a folder: name a container in "
            "storage.container, or another compute target."
        )


def find_recipe(name: str) -> Recipe:
    """The recipe of that name, or a UserError that tells the known ones."""
    try:
        return load_recipe(name)
    except InvalidInput as error:
        raise UserError(str(error)) from None
