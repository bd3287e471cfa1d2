"""The command `retune` in a process that ends itself with SIGKILL at its n-th write, before or after it is made.

Called as `killed_at.py N FILE ARGUMENTS...`: even N are before a write, odd ones after it; -1 kills nothing and leaves
the number of such moments in FILE. What is counted are the writes that decide what a later process finds: those to the
ledger, the store, the dataset and the registry.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from cli.main import main
from retuner.data import dataset
from retuner.registry.mlflow import MlflowRegistry
from retuner.search.ledger import Ledger
from retuner.storage.folder import FolderStore

WRITES = [
    (Ledger, "_write"),
    (Ledger, "_update"),
    (FolderStore, "put"),
    (MlflowRegistry, "register"),
    (MlflowRegistry, "set_champion"),
    (dataset, "build_dataset"),
]


class Moments:
    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.passed = 0

    def pass_one(self) -> None:
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def around(self, write: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(write)
        def counted(*arguments: Any, **named: Any) -> Any:
            self.pass_one()
            result = write(*arguments, **named)
            self.pass_one()
            return result

        return counted


if __name__ == "__main__":
    moments = Moments(int(sys.argv[1]))
    for owner, name in WRITES:
        setattr(owner, name, moments.around(getattr(owner, name)))
    status = main(sys.argv[3:])
    Path(sys.argv[2]).write_text(str(moments.passed))
    sys.exit(status)
