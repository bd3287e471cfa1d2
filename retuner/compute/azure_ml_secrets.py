"""The signatures of a study's jobs in the workspace's key vault: written under names of this process's own."""

import secrets
from collections.abc import Mapping

from retuner.compute.azure_ml_requests import secret_name, secret_prefix
from retuner.compute.azure_ml_service import AzureMlService


class StudySecrets:
    """A key vault keeps a deleted name taken for weeks (soft delete), so that no process may write another's again."""

    def __init__(self, service: AzureMlService) -> None:
        self._service = service
        self._process = secrets.token_hex(4)
        self._written: dict[str, str] = {}

    def put(self, study: str, values: Mapping[str, str]) -> dict[str, str]:
        """Write the values by variable where they are new; returns the names of their secrets by variable."""
        names = {variable: secret_name(study, variable, self._process) for variable in values}
        for variable, value in values.items():
            if self._written.get(names[variable]) != value:
                self._service.set_secret(names[variable], value)
                self._written[names[variable]] = value
        return names

    def clear(self, study: str) -> None:
        """Delete the study's secrets, those of processes that have died too. Later ones get other names."""
        self._process = secrets.token_hex(4)
        self._written.clear()
        for name in self._service.secret_names(secret_prefix(study)):
            self._service.delete_secret(name)
