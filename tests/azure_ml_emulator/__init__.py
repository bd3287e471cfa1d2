"""Azure ML's REST services on this machine, for the real azureml-core: what it sends is checked, not what Azure does.

The client is unpatched. Two environment variables lead it here: HTTPS_PROXY names an allow-list CONNECT proxy on the
loopback interface, which hands the product's host names to the server of this package, and REQUESTS_CA_BUNDLE names the
certificate authority that signed the server's certificate. Nothing leaves the machine.

    with Emulator(blobs) as emulator:                      # blobs: where Azurite listens
        subprocess.run(..., env={**os.environ, **emulator.environment})

Start reading at emulator.py; `python -m azure_ml_emulator` (with tests/ on the path) runs it by hand.
"""

from azure_ml_emulator.blobs import BlobAccount
from azure_ml_emulator.emulator import Emulator
from azure_ml_emulator.faults import FaultKind, FaultRule
from azure_ml_emulator.jobs import Script
from azure_ml_emulator.state import Settings

__all__ = ["BlobAccount", "Emulator", "FaultKind", "FaultRule", "Script", "Settings"]
