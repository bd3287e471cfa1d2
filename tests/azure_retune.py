"""The command `retune` on an emulated workspace, as a person whom a service principal stands for starts it."""

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azure_ml_emulator import BlobAccount, Emulator, Settings
from azure_study import ACCOUNT_URL
from azurite import Azurite
from retune_command import FIXED, Retune


class AzureRetune(Retune):
    """Commands that find the emulated workspace and a container of its storage account; no secret is an argument."""

    def __init__(self, folder: Path, emulator: Emulator, azurite: Azurite, api: str | None = None) -> None:
        super().__init__(folder, api)
        self.emulator = emulator
        self.container = azurite.new_container()
        self.environment.update(emulator.environment)

    def place(self, *, nodes: int) -> dict[str, Any]:
        """The groups of parameters that say where."""
        settings = self.emulator.settings
        workspace = {
            "subscription_id": settings.subscription,
            "resource_group": settings.group,
            "workspace": settings.workspace,
        }
        return {
            "compute": {"target": "azure_ml", **workspace, "min_nodes": 1, "max_nodes": nodes, "cores": 1},
            "storage": {"kind": "blob", "account_url": ACCOUNT_URL, "container": self.container},
            "registry": {"kind": "azure_ml"},
        }

    def azure(self, *arguments: str, trials: int, nodes: int, **groups: Any) -> tuple[str, ...]:
        """Arguments of a search: of the toy recipe unless `groups` say otherwise, random, nothing stopped early."""
        toy = {
            "model_name": "FAQ_ranker",
            "recipe": "toy_recipe.recorded:recipe",
            "search": {"trials": trials, "sampler": "random", "stopping": "none", "space": FIXED},
        }
        budget = {"probe": False, **groups.get("budget", {})}
        file = self.folder / "parameters.json"
        file.write_text(json.dumps({**toy, **self.place(nodes=nodes), **groups, "budget": budget}))
        return ("run", "--parameters", str(file), *arguments)

    def document(self, *arguments: str) -> dict[str, Any]:
        """What a command with `--json` prints, once it has succeeded."""
        done: subprocess.CompletedProcess[str] = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@contextmanager
def emulated(azurite: Azurite, **options: Any):
    """An emulator whose nodes start and idle fast."""
    settings = Settings(**{"idle_scale": 0.01, "node_start_seconds": 0.05, **options})
    with Emulator(BlobAccount(azurite.account_url, azurite.key), settings) as emulator:
        yield emulator
