"""Where trials run."""

from typing import Literal

from pydantic import Field

from retuner.parameters.fields import Group


class DaskCompute(Group):
    """Trials run on Dask: on this machine, or on the workers of any scheduler."""

    target: Literal["dask"] = Field(default="dask", title="Compute target", description="Dask.")
    address: str | None = Field(
        default=None,
        pattern=r"^(tcp|tls|ws|wss|ucx)://",
        title="Scheduler address",
        description="Such as tcp://10.0.0.4:8786; empty starts a cluster on this machine for the flow run.",
        json_schema_extra={"position": 0},
    )
    nodes: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        title="Nodes",
        description="Worker processes to use; empty means as many as cores allow here, or all of the scheduler's.",
        json_schema_extra={"position": 1},
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        title="Threads per trial",
        description="Cores of a trial; here, times nodes, no more than there are. Two trials beat one of two threads.",
        json_schema_extra={"position": 2},
    )


class AzureMlCompute(Group):
    """Trials run on an AmlCompute cluster of an Azure ML workspace, one job on each node."""

    target: Literal["azure_ml"] = Field(default="azure_ml", title="Compute target", description="Azure ML.")
    subscription_id: str | None = Field(
        default=None,
        min_length=1,
        title="Subscription",
        description="Id of the subscription that the workspace belongs to; empty where the credentials block names it.",
        json_schema_extra={"position": 0},
    )
    resource_group: str | None = Field(
        default=None,
        min_length=1,
        title="Resource group",
        description="Resource group of the workspace; empty where the credentials block names it.",
        json_schema_extra={"position": 1},
    )
    workspace: str | None = Field(
        default=None,
        min_length=1,
        title="Workspace",
        description="Name of the workspace; empty where the credentials block names it.",
        json_schema_extra={"position": 2},
    )
    cluster: str = Field(
        default="retuner",
        pattern=r"^[A-Za-z][A-Za-z0-9-]{1,23}$",
        title="Cluster",
        description="Name of the AmlCompute cluster; it is created where there is none.",
        json_schema_extra={"position": 3},
    )
    vm_size: str = Field(
        default="Standard_D4_v2",
        min_length=1,
        title="VM size",
        description="Size of the nodes; one job uses all cores of its node.",
        json_schema_extra={"position": 4},
    )
    low_priority: bool = Field(
        default=False,
        title="Low priority",
        description="Cheaper nodes that can be taken away; a preempted job is tried again.",
        json_schema_extra={"position": 5},
    )
    min_nodes: int = Field(
        default=0,
        ge=0,
        le=1000,
        title="Fewest nodes",
        description="Nodes that are kept up while the study lasts; after it the cluster keeps as many as before.",
        json_schema_extra={"position": 6},
    )
    max_nodes: int = Field(
        default=4,
        ge=1,
        le=1000,
        title="Most nodes",
        description="Nodes that the search may use at once.",
        json_schema_extra={"position": 7},
    )
    idle_seconds: int = Field(
        default=120,
        ge=30,
        le=86_400,
        title="Idle seconds",
        description="A node that had nothing to do for so long is given back.",
        json_schema_extra={"position": 8},
    )
    vnet: str | None = Field(
        default=None,
        min_length=1,
        title="Virtual network",
        description="Network that the nodes join; empty for none.",
        json_schema_extra={"position": 9},
    )
    subnet: str = Field(
        default="default",
        min_length=1,
        title="Subnet",
        description="Subnet of the virtual network.",
        json_schema_extra={"position": 10},
    )
    vnet_resource_group: str | None = Field(
        default=None,
        min_length=1,
        title="Resource group of the network",
        description="Empty where it is the workspace's.",
        json_schema_extra={"position": 11},
    )
    public_ip: bool = Field(
        default=False,
        title="Public addresses",
        description="Nodes in a virtual network get public addresses too.",
        json_schema_extra={"position": 12},
    )
    cores: int | None = Field(
        default=None,
        ge=1,
        le=256,
        title="Cores per trial",
        description="Cores that one trial uses; empty means all cores of its node.",
        json_schema_extra={"position": 14},
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        title="Docker image",
        description="Image with the packages of deployments/azure_ml/requirements.txt; empty builds one from there.",
        json_schema_extra={"position": 13},
    )
    wait_minutes: float = Field(
        default=60,
        gt=0,
        le=1440,
        title="Minutes to wait for a node",
        description="A job that is Queued, or Preparing, for longer is given up with a diagnosis and tried again.",
        json_schema_extra={"position": 16},
    )
    preemptions: int = Field(
        default=10,
        ge=0,
        le=100,
        title="Preemptions per trial",
        description="So many times a trial whose node was taken away is tried again; other losses do not count here.",
        json_schema_extra={"position": 17},
    )
    dedicated_cluster: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][A-Za-z0-9-]{1,23}$",
        title="Cluster of dedicated nodes",
        description="Where low-priority nodes are taken away too often, a trial moves to this cluster; empty for none.",
        json_schema_extra={"position": 18},
    )
    dedicated_after: int = Field(
        default=2,
        ge=1,
        le=100,
        title="Attempts before dedicated nodes",
        description="So many attempts of a trial are made on low-priority nodes before it moves.",
        json_schema_extra={"position": 19},
    )
    credentials_block: str | None = Field(
        default=None,
        pattern=r"^azureml-credentials/[A-Za-z0-9_-]+$",
        title="Credentials block",
        description="Prefect block as azureml-credentials/name; empty means this machine's identity.",
        json_schema_extra={"position": 15},
    )

    @property
    def moves_after(self) -> int | None:
        """Attempts at a job on low-priority nodes before it moves to dedicated ones; None where it never does."""
        return self.dedicated_after if self.low_priority and self.dedicated_cluster is not None else None
