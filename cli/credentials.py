"""What commands read from blocks, which lie on the Prefect server."""

from retuner.azure_ml.identity import AzureMlIdentity
from retuner.parameters import AzureMlCompute, DaskCompute
from retuner.settings import Settings


def azure_ml_identity(compute: AzureMlCompute | DaskCompute, settings: Settings) -> AzureMlIdentity | None:
    """The service principal in the block of the compute target; without a block no server is started."""
    if not isinstance(compute, AzureMlCompute) or compute.credentials_block is None:
        return None
    from cli.prefect_server import prefect_server

    with prefect_server(settings):
        from tasks.blocks import load_azure_ml_identity

        return load_azure_ml_identity(compute)
