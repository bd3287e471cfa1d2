"""What an Azure ML workspace says for a plan: its region, the cores of a node, and how many cores it may have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from retuner.azure_ml.identity import AzureMlIdentity, sign_in_as
from retuner.azure_ml.region import Quota, Region
from retuner.compute.azure_ml_preflight import concerned_quotas
from retuner.compute.azure_ml_service import AzureMlService
from retuner.errors import RetunerError
from retuner.parameters import AzureMlCompute

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class WorkspaceFacts:
    """What it said; what could not be had is None, and the notes say why."""

    region: str | None
    cores: int | None
    quota: Quota | None
    notes: tuple[str, ...] = ()


def ask_workspace(compute: AzureMlCompute, identity: AzureMlIdentity | None) -> WorkspaceFacts:
    """Where its nodes are, and which quota leaves the least room for them. A plan goes on without the answers."""
    region, notes = Region(AzureMlService(compute, sign_in_as(identity)).workspace), []

    def answer(question: Callable[[], Answer]) -> Answer | None:
        try:
            return question()
        except RetunerError as error:
            notes.append(str(error))
            return None

    location = answer(region.location)
    size = None if location is None else (answer(region.vm_sizes) or {}).get(compute.vm_size.upper())
    quotas = None if size is None else concerned_quotas(answer(region.quotas) or [], size, compute)
    tightest = min(quotas or [], key=lambda quota: quota.limit - quota.used, default=None)
    return WorkspaceFacts(location, None if size is None else size.cores, tightest, tuple(notes))
