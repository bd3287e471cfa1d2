"""What the emulated workspace holds, and how fast it works."""

import datetime
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_ml_emulator.jobs import Script

FINISHED = ("Completed", "Failed", "Canceled")
CORES = {  # vCPU of the VM sizes that the emulated region offers
    "STANDARD_D1_V2": 1,
    "STANDARD_D2_V2": 2,
    "STANDARD_D3_V2": 4,
    "STANDARD_D4_V2": 8,
    "STANDARD_DS3_V2": 4,
    "STANDARD_F4S_V2": 4,
    "STANDARD_E4S_V3": 4,
}


@dataclass(frozen=True)
class Settings:
    """Names and speeds. The ids are made up; the client's is new for every emulator, as the SDK caches tokens by it."""

    subscription: str = "5ub5c21b-0000-4000-8000-000000000001"
    group: str = "retuner"
    workspace: str = "emulated"
    location: str = "westeurope"
    tenant: str = "7e4a4700-0000-4000-8000-000000000002"
    client: str = field(default_factory=lambda: str(uuid.uuid4()))
    execute: bool = True
    """Run the uploaded snapshot as a process; False: play `script`."""
    script: "Callable[[Run], Script] | None" = None
    python: Path = Path(sys.executable)
    """The interpreter of the emulated nodes' environment."""
    provision_seconds: float = 0.1
    node_start_seconds: float = 0.2
    prepare_seconds: float = 0.05
    idle_scale: float = 1.0
    """The clusters' idle time before scale-down is multiplied with it."""
    image_build_seconds: float = 0.2
    token_seconds: float = 3600.0
    quota_cores: int = 200
    furnished: bool = True
    """The workspace and what it needs are there from the start; False: an empty subscription."""
    storage: Mapping[str, Any] = field(default_factory=dict)
    """Properties of the workspace's storage account that are not the secure ones."""
    subnets: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Subnets by `network/subnet`, as Resource Manager shows them."""
    computes: Mapping[str, str] = field(default_factory=dict)
    """Kinds, such as ComputeInstance, of the compute targets that are there and no AmlCompute clusters, by name."""
    actions: tuple[str, ...] = ("*",)
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ("*",)
    """What the caller's roles allow, as a role's definition says it."""
    locks: tuple[str, ...] = ()
    """Levels of the locks on the resource group."""
    page_size: int = 100

    @property
    def scope(self) -> str:
        provider = "Microsoft.MachineLearningServices/workspaces"
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/{provider}/{self.workspace}"


@dataclass
class Experiment:
    name: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: datetime.datetime = field(default_factory=lambda: now())
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class MetricValue:
    visible_at: float
    """Monotonic time; a late metric cannot be read before."""
    content: dict[str, Any]


@dataclass
class Metric:
    name: str
    columns: dict[str, str]
    properties: dict[str, Any]
    values: list[MetricValue] = field(default_factory=list)

    def visible(self) -> list[dict[str, Any]]:
        return [value.content for value in self.values if value.visible_at <= time.monotonic()]


@dataclass
class Run:
    """One run of the run history. `definition` is the submission's Configuration; empty for a run without a job."""

    id: str
    experiment: Experiment
    number: int
    parent: str | None = None
    status: str = "NotStarted"
    created: datetime.datetime = field(default_factory=lambda: now())
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    properties: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    """Other fields of the client's RunDto, kept as they came: name, displayName, description, hidden ..."""
    snapshot: str | None = None
    error: dict[str, Any] | None = None
    node: str | None = None
    lost: bool = False
    stuck: bool = False
    unready: bool = False
    overdue: bool = False
    image_fails: bool = False
    preempt_after: float | None = None
    metrics: dict[str, Metric] = field(default_factory=dict)

    @property
    def container(self) -> str:
        return f"dcid.{self.id}"

    def is_finished(self) -> bool:
        return self.status in FINISHED

    def log(self, name: str, definition: dict[str, Any], value: dict[str, Any], *, late: float = 0.0) -> None:
        """Add one value (metricId, createdUtc, step, data), readable in `late` seconds; a repeated id counts once."""
        defaults = {"metricId": str(uuid.uuid4()), "createdUtc": iso(now())}
        content = {**defaults, **{key: part for key, part in value.items() if part is not None}}
        metric = self.metrics.setdefault(
            name, Metric(name, dict(definition.get("columns") or {}), dict(definition.get("properties") or {}))
        )
        if all(known.content["metricId"] != content["metricId"] for known in metric.values):
            metric.values.append(MetricValue(time.monotonic() + late, content))

    def finish(self, status: str, error: dict[str, Any] | None = None) -> None:
        """End the run once; what ended first stays."""
        if not self.is_finished():
            self.status, self.error, self.ended, self.node = status, error, now(), None


@dataclass
class State:
    """Everything that a restart of a real service would keep."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Versions by name, oldest first."""
    images: dict[str, str] = field(default_factory=dict)
    """State of the image of name:version: Running, Succeeded or Failed."""
    secrets: dict[str, str] = field(default_factory=dict)
    deleted_secrets: set[str] = field(default_factory=set)
    """Names in lower case that nobody may use again: soft delete keeps them for longer than any test."""
    datastores: dict[str, dict[str, Any]] = field(default_factory=dict)
    default_datastore: str = "workspaceblobstore"
    snapshots: dict[str, dict[str, str]] = field(default_factory=dict)
    """Files of a snapshot: path -> blob name."""
    artifacts: dict[str, set[str]] = field(default_factory=dict)
    """Paths by origin/container."""
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Resource groups by their name in lower case."""
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Resources of all kinds by their id in lower case."""
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted_vaults: set[str] = field(default_factory=set)
    unregistered: set[str] = field(default_factory=set)
    """Resource providers that the subscription does not use yet."""

    def add_experiment(self, name: str) -> Experiment:
        return self.experiments.setdefault(name, Experiment(name))

    def add_run(self, run_id: str, experiment: Experiment) -> Run:
        """The run of this id, made where it is new."""
        if run_id not in self.runs:
            self.runs[run_id] = Run(run_id, experiment, number=len(self.runs) + 1)
        return self.runs[run_id]

    def children(self, run_id: str) -> list[Run]:
        return [run for run in self.runs.values() if run.parent == run_id and not run.lost]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def iso(moment: datetime.datetime | None) -> str | None:
    """The services' form of a time."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
