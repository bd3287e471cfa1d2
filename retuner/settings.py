"""What the installation knows: where things lie on this machine. Read once at the start, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PRICES_URL = "https://prices.azure.com/api/retail/prices"


@dataclass(frozen=True)
class Settings:
    """Absolute locations, so that nothing depends on the working directory, which moves."""

    home: Path
    """RETUNER_HOME: all that retuner keeps on this machine. Default: `.retuner/` in the checkout."""
    ledger_url: str
    """RETUNER_LEDGER_URL: SQLAlchemy URL of the ledger. Default: SQLite under the home."""
    mlflow_uri: str
    """RETUNER_MLFLOW_URI: MLflow tracking and registry store. Default: SQLite under the home."""
    prices_url: str = PRICES_URL
    """RETUNER_PRICES_URL: the price service. Default: the public Azure Retail Prices API."""

    @property
    def store(self) -> Path:
        """Root of the folder store."""
        return self.home / "store"

    @property
    def scratch(self) -> Path:
        """Files of one flow run: worker folders, downloads, snapshots in the making."""
        return self.home / "scratch"

    @property
    def log(self) -> Path:
        """What flow runs of this home say, as JSON, a file a day."""
        return self.home / "log"

    @property
    def mlflow_artifacts(self) -> Path:
        """Files of model versions where the registry is a database that is no SQLite file."""
        return self.home / "mlflow" / "artifacts"

    @property
    def prefect_home(self) -> Path:
        """Home of the Prefect server that we start; the user's own Prefect home is never written to."""
        return self.home / "prefect"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process."""
    env = os.environ if environment is None else environment
    home = Path(env.get("RETUNER_HOME") or CHECKOUT / ".retuner").expanduser().absolute()
    return Settings(
        home=home,
        ledger_url=env.get("RETUNER_LEDGER_URL") or f"sqlite:///{home / 'ledger.sqlite'}",
        mlflow_uri=env.get("RETUNER_MLFLOW_URI") or f"sqlite:///{home / 'mlflow' / 'mlflow.sqlite'}",
        prices_url=env.get("RETUNER_PRICES_URL") or PRICES_URL,
    )
