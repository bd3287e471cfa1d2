"""AmlCompute clusters: nodes that start after a delay, follow the queue, idle away and can be taken back."""

import asyncio
import datetime
import itertools
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from azure_ml_emulator.errors import error_body
from azure_ml_emulator.jobs import Runner
from azure_ml_emulator.state import CORES, Run, Settings, now

PREEMPTED = error_body("PreemptionError", "The node of the job was preempted.")
IMAGE_FAILED = error_body("UserError", "ImageBuildFailed: the environment's image could not be built.")
TOO_LONG = error_body("UserError", "The run was cancelled: it took longer than its maximum duration.")
NODE_LOST = error_body("UserError", "The compute target was deleted while the run was on it.")


@dataclass
class Node:
    id: str
    state: str = "preparing"
    """preparing, idle, running or leaving: as nodeStateCounts names them."""
    run: Run | None = None
    work: asyncio.Task[None] | None = None
    idle_since: float = math.inf
    created: float = field(default_factory=time.monotonic)


@dataclass
class Cluster:
    """One cluster. Every change ends in `balance`, which starts nodes, hands out runs and lets idle nodes go."""

    name: str
    vm_size: str
    settings: Settings
    runner: Runner
    quota: "Quota"
    priority: str = "Dedicated"
    minimum: int = 0
    maximum: int = 1
    idle_seconds: float = 120.0
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the request that are given back as they came: subnet, remoteLoginPortPublicAccess, identity ..."""
    tags: dict[str, str] = field(default_factory=dict)
    provisioning: str = "Creating"
    errors: list[dict[str, Any]] = field(default_factory=list)
    created: datetime.datetime = field(default_factory=now)
    queue: list[Run] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    most_running: int = 0
    gone_seconds: float = 0.0
    """For how long the nodes were up that are gone."""
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _timers: set[asyncio.TimerHandle] = field(default_factory=set)

    @property
    def cores(self) -> int:
        return CORES[self.vm_size.upper()]

    def counts(self) -> Counter[str]:
        return Counter(node.state for node in self.nodes)

    def up_seconds(self) -> float:
        """For how long nodes were up, each from its creation to its removal: what a subscription would pay for."""
        return self.gone_seconds + sum(time.monotonic() - node.created for node in self.nodes)

    def target(self) -> int:
        """Nodes wanted now: one for every run, within the cluster's limits and the subscription's quota."""
        if self.provisioning != "Succeeded":
            return 0
        busy = sum(node.run is not None for node in self.nodes)
        waiting = sum(not run.stuck for run in self.queue)
        wanted = min(max(busy + waiting, self.minimum), self.maximum)
        return min(wanted, len(self.nodes) + self.quota.free_cores() // self.cores)

    def submit(self, run: Run) -> None:
        run.status = "Queued"
        self.queue.append(run)
        self.balance()

    def cancel(self, run: Run) -> None:
        """Stop a run wherever it is; a running one says so first."""
        if run in self.queue:
            self.queue.remove(run)
            run.finish("Canceled")
        for node in self.nodes:
            if node.run is run and node.work is not None:
                run.status = "CancelRequested"
                node.work.cancel()

    def lose(self, run: Run) -> None:
        """Forget a run: its work ends, and nobody knows it any more."""
        self.cancel(run)
        run.lost = True

    def preempt(self, run: Run) -> None:
        """Take the run's node away: the service does not start the run again."""
        for node in [node for node in self.nodes if node.run is run]:
            run.finish("Failed", PREEMPTED)
            self._remove(node)
        self.balance()

    def close(self) -> None:
        """End every run and let every node go."""
        for run in self.queue:
            run.finish("Failed", NODE_LOST)
        self.queue.clear()
        self.maximum = self.minimum = 0
        for node in list(self.nodes):
            if node.run is not None:
                node.run.finish("Failed", NODE_LOST)
            self._remove(node)
        for timer in self._timers:
            timer.cancel()

    async def stop(self) -> None:
        """Close, and return once no work is left."""
        work = [node.work for node in self.nodes if node.work is not None]
        self.close()
        await asyncio.gather(*work, return_exceptions=True)

    def balance(self) -> None:
        for node in self.nodes:
            ready = (run for run in self.queue if not run.stuck)
            if node.state == "idle" and (run := next(ready, None)) is not None:
                self.queue.remove(run)
                self._start(node, run)
        self._release_idle()
        for _ in range(self.target() - len(self.nodes)):
            node = Node(f"tvmps_{self.name}_{next(self._ids):04d}")
            self.nodes.append(node)
            self._later(self.settings.node_start_seconds, self._ready, node)

    def _ready(self, node: Node) -> None:
        if node in self.nodes:
            node.state, node.idle_since = "idle", asyncio.get_running_loop().time()
            self._later(self.idle_seconds * self.settings.idle_scale, self.balance)
            self.balance()

    def _release_idle(self) -> None:
        limit = asyncio.get_running_loop().time() - self.idle_seconds * self.settings.idle_scale + 1e-3
        for node in [node for node in self.nodes if node.state == "idle"]:
            if len(self.nodes) > self.maximum or (len(self.nodes) > self.minimum and node.idle_since <= limit):
                self._remove(node)

    def _remove(self, node: Node) -> None:
        self.nodes.remove(node)
        self.gone_seconds += time.monotonic() - node.created
        if node.work is not None:
            node.work.cancel()

    def _start(self, node: Node, run: Run) -> None:
        node.state, node.run = "running", run
        run.node = node.id
        node.work = asyncio.get_running_loop().create_task(self._work(node, run))
        self.most_running = max(self.most_running, self.counts()["running"])
        if run.preempt_after is not None:
            self._later(run.preempt_after, self.preempt, run)

    async def _work(self, node: Node, run: Run) -> None:
        try:
            run.status = "Preparing"
            await asyncio.sleep(math.inf if run.unready else self.settings.prepare_seconds)
            if run.image_fails:
                run.finish("Failed", IMAGE_FAILED)
            else:
                run.status, run.started = "Running", now()
                if run.overdue:
                    await asyncio.sleep(math.inf)
                await asyncio.wait_for(self.runner.run(run), run.definition.get("maxRunDurationSeconds"))
        except TimeoutError:
            run.finish("Canceled", TOO_LONG)
        except asyncio.CancelledError:
            run.finish("Canceled")
        finally:
            node.run = node.work = None
            if node in self.nodes:
                self._ready(node)

    def _later(self, seconds: float, call: Any, *arguments: Any) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            call(*arguments)

        timer = asyncio.get_running_loop().call_later(seconds, fire)
        self._timers.add(timer)


@dataclass
class Quota:
    """The subscription's cores in the region, shared by its clusters."""

    cores: int
    clusters: dict[str, Cluster]
    dedicated_cores: int | None = None
    """What is told of dedicated nodes where they may have fewer; those of low priority count for themselves."""

    def used_cores(self) -> int:
        return sum(len(cluster.nodes) * cluster.cores for cluster in self.clusters.values())

    def free_cores(self) -> int:
        return max(self.cores - self.used_cores(), 0)
