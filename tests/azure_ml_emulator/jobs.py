"""What happens on a node: the uploaded snapshot as a real process, or a script of metrics for large studies."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from azure_ml_emulator.errors import error_body
from azure_ml_emulator.faults import FaultKind
from azure_ml_emulator.state import Run

if TYPE_CHECKING:
    from azure_ml_emulator.service import Service

KEEPER = Path(__file__).with_name("keeper.py")
LOG = "user_logs/std_log.txt"
LOG_PERIOD = 0.5
ARTIFACTS = "azureml"
"""The container of run artifacts and models."""
SNAPSHOTS = "snapshots"


class Runner(Protocol):
    """Does a run's work on a node."""

    async def run(self, run: Run) -> None:
        """Return once the run is finished, with its end set. A cancelled call ends the work at once."""


@dataclass(frozen=True)
class Script:
    """What a run does without executing anything."""

    seconds: float = 0.1
    metrics: Sequence[tuple[float, str, Mapping[str, float]]] = ()
    """(seconds after the start, name, columns): `{name: value}` is what `Run.log` writes, all else `Run.log_row`."""
    error: str | None = None
    """Fail with this message in the end."""
    log: str = ""
    files: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    """Blobs to write before the end, by (container, name): what the job would have uploaded."""


class ScriptRunner:
    """Plays `Settings.script`."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    async def run(self, run: Run) -> None:
        make = self._service.settings.script
        script = make(run) if make is not None else Script()
        started = asyncio.get_running_loop().time()
        for offset, name, columns in sorted(script.metrics, key=lambda metric: metric[0]):
            await _sleep_until(started + offset)
            kind = "azureml.v1.scalar" if list(columns) == [name] else "azureml.v1.table"
            definition = {"columns": dict.fromkeys(columns, "Double"), "properties": {"uxMetricType": kind}}
            rule = self._service.faults.meet("POST", f"/metric/v2.0/runs/{run.id}/batch")
            late = rule.seconds if rule is not None and rule.kind is FaultKind.LATE_METRICS else 0.0
            run.log(name, definition, {"data": dict(columns)}, late=late)
        await _sleep_until(started + script.seconds)
        for (container, name), content in script.files.items():
            await self._service.blobs.write(container, name, content)
        if script.log:
            await save_artifact(self._service, run, LOG, script.log.encode())
        run.finish("Failed" if script.error else "Completed", _script_failed(script.error) if script.error else None)


class ProcessRunner:
    """Runs the snapshot's script as a process of this machine, with the variables that `Run.get_context` reads."""

    def __init__(self, service: "Service", folder: Path) -> None:
        self._service = service
        self._folder = folder

    async def run(self, run: Run) -> None:
        folder = self._folder / run.id
        try:
            await self._unpack(run, folder / "code")
            await self._execute(run, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _unpack(self, run: Run, code: Path) -> None:
        """The snapshot's files, exactly those that were uploaded."""
        for path, blob in self._service.state.snapshots[run.snapshot or ""].items():
            target = code / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(await self._service.blobs.read(SNAPSHOTS, blob))
        for name in ("outputs", "logs"):
            (code / name).mkdir(parents=True, exist_ok=True)

    async def _execute(self, run: Run, folder: Path) -> None:
        log = folder / "log.txt"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-S",
                str(KEEPER),
                *command(run, self._service.settings.python),
                cwd=folder / "code",
                env=self._environment(run, folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            code = await self._watch(run, process, log)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            await asyncio.shield(process.wait())
        await self._save_outputs(run, folder / "code")
        run.finish("Completed" if code == 0 else "Failed", None if code == 0 else _script_failed(f"exit code {code}"))

    async def _watch(self, run: Run, process: asyncio.subprocess.Process, log: Path) -> int:
        """Upload the log whenever it has grown, until the process has ended."""
        size, ended = -1, asyncio.ensure_future(process.wait())
        try:
            while True:
                await asyncio.wait([ended], timeout=LOG_PERIOD)
                done = ended.done()
                if log.stat().st_size != size:
                    content = log.read_bytes()
                    size = len(content)
                    await save_artifact(self._service, run, LOG, content)
                if done:
                    return ended.result()
        finally:
            ended.cancel()

    async def _save_outputs(self, run: Run, code: Path) -> None:
        """What lies in outputs/ and logs/ belongs to the run."""
        for folder in ("outputs", "logs"):
            for path in sorted((code / folder).rglob("*")):
                if path.is_file():
                    await save_artifact(self._service, run, path.relative_to(code).as_posix(), path.read_bytes())

    def _environment(self, run: Run, folder: Path) -> dict[str, str]:
        settings, service = self._service.settings, self._service
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
            **service.client_environment,
            "HOME": str(folder),
            "AZUREML_ARM_SUBSCRIPTION": settings.subscription,
            "AZUREML_ARM_RESOURCEGROUP": settings.group,
            "AZUREML_ARM_WORKSPACE_NAME": settings.workspace,
            "AZUREML_ARM_PROJECT_NAME": run.experiment.name,
            "AZUREML_EXPERIMENT_ID": run.experiment.id,
            "AZUREML_WORKSPACE_ID": service.workspace_id,
            "AZUREML_RUN_ID": run.id,
            "AZUREML_SERVICE_ENDPOINT": service.data_plane,
            "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{service.data_plane}/discovery",
            "AZUREML_RUN_TOKEN": service.tokens.issue(run.id, "run", settings.token_seconds),
            "AZUREML_RUN_TOKEN_EXPIRY": str(int(service.expiry_time().timestamp())),
        }
        asked = (run.definition.get("environment") or {}).get("environmentVariables") or {}
        return {**environment, **asked, **(run.definition.get("environmentVariables") or {})}


def command(run: Run, python: Path) -> list[str]:
    """The process's arguments, from the submission's `command`, or its `script` and `arguments`."""
    if asked := run.definition.get("command"):
        return ["/bin/sh", "-c", asked if isinstance(asked, str) else " ".join(asked)]
    return [str(python), run.definition["script"], *map(str, run.definition.get("arguments") or [])]


async def save_artifact(service: "Service", run: Run, path: str, content: bytes) -> None:
    """Write a file of the run to the store and list it."""
    await service.blobs.write(ARTIFACTS, f"ExperimentRun/{run.container}/{path}", content)
    service.state.artifacts.setdefault(f"ExperimentRun/{run.container}", set()).add(path)


def _script_failed(reason: str) -> dict[str, Any]:
    words = "AzureMLCompute job failed. JobFailed: the submitted script failed"
    return error_body("UserError", f"{words} ({reason}); see the driver log file for details.")


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(moment - asyncio.get_running_loop().time(), 0))
