"""Where trials run."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from retuner.compute.target import ComputeTarget
from retuner.parameters import AzureMlCompute, DaskCompute
from retuner.parameters.nodes import check_cores
from retuner.settings import Settings

if TYPE_CHECKING:
    from retuner.azure_ml.identity import AzureMlIdentity
    from retuner.compute.snapshot import Snapshot


def check_target(
    parameters: DaskCompute | AzureMlCompute,
    nodes: int,
    *,
    stop: threading.Event,
    identity: "AzureMlIdentity | None" = None,
) -> None:
    """Raise UserError, or RetryableError, where `nodes` cannot be had, before anything is started.

    Of Dask it finds out whether a scheduler listens; its workers are looked at when it is scaled. Where there is no
    scheduler yet, the workers must find cores on this machine.
    """
    if isinstance(parameters, DaskCompute):
        check_cores(parameters, nodes)
    if isinstance(parameters, DaskCompute) and parameters.address is not None:
        from retuner.compute.dask_address import check_listener

        check_listener(parameters.address, stop)
    if isinstance(parameters, AzureMlCompute):
        from retuner.azure_ml.identity import sign_in_as
        from retuner.compute.azure_ml_preflight import check_azure_ml
        from retuner.compute.azure_ml_service import AzureMlService

        check_azure_ml(AzureMlService(parameters, sign_in_as(identity), stop=stop), parameters, nodes)


def open_target(
    parameters: DaskCompute | AzureMlCompute,
    snapshot: "Snapshot",
    settings: Settings,
    *,
    node_secrets: Callable[[float], dict[str, str]],
    identity: "AzureMlIdentity | None" = None,
    stop: threading.Event | None = None,
) -> ComputeTarget:
    """The compute target that the parameters name; nothing is started before it is scaled.

    `stop` ends the waiting for workers, clusters and images. `node_secrets` are the store's, for jobs that reach it
    from elsewhere; `identity` signs in to Azure ML.
    """
    if isinstance(parameters, AzureMlCompute):
        from retuner.azure_ml.identity import sign_in_as
        from retuner.compute.azure_ml import AzureMlTarget
        from retuner.compute.azure_ml_service import AzureMlService

        return AzureMlTarget(
            parameters,
            snapshot,
            scratch=settings.scratch,
            node_secrets=node_secrets,
            service=AzureMlService(
                parameters, sign_in_as(identity), requirements=lambda: snapshot.requirements, stop=stop
            ),
        )
    from retuner.compute.dask import DaskTarget

    return DaskTarget(
        snapshot, address=parameters.address, threads=parameters.threads, scratch=settings.scratch / "dask", stop=stop
    )
