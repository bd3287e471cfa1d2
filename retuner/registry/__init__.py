"""Where model versions lie, and which of them is the champion."""

from collections.abc import Callable
from typing import Any

from retuner.parameters import AzureMlRegistry as AzureMlParameters
from retuner.parameters import MlflowRegistry as MlflowParameters
from retuner.registry.registry import Registry
from retuner.settings import Settings


def open_registry(
    parameters: MlflowParameters | AzureMlParameters,
    settings: Settings,
    *,
    sign_in: Callable[[], Any] | None = None,
) -> Registry:
    """The registry that the parameters name. `sign_in` is for Azure ML; without it, it is this machine's identity."""
    if isinstance(parameters, AzureMlParameters):
        from retuner.azure_ml.identity import workspace_of
        from retuner.registry.azure_ml import AzureMlRegistry

        return AzureMlRegistry(workspace_of(parameters), sign_in=sign_in)
    from retuner.registry.mlflow import MlflowRegistry
    from retuner.registry.mlflow_database import database_file

    uri = parameters.tracking_uri or settings.mlflow_uri
    # beside a SQLite file, wherever that is: who shares the file shares the models
    return MlflowRegistry(uri, artifact_root=settings.mlflow_artifacts if database_file(uri) is None else None)
