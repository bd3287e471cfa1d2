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
        """Delete the study's secrets, first this process's own, then those of processes that have died.

        Later ones get other names. Without the right to list, the own ones are gone all the same.
        """
        self._process = secrets.token_hex(4)
        prefix = secret_prefix(study)
        for name in [name for name in self._written if name.startswith(prefix)]:
            self._service.delete_secret(name)
            del self._written[name]
        for name in self._service.secret_names(prefix):
            self._service.delete_secret(name)
