"""How many nodes a retune asks for, and whether this machine has the cores for them."""

import os

from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, DaskCompute, Parameters

ALL_WORKERS = 1024
"""Stands for all workers of a scheduler, whose number is known once it is asked."""


def nodes_wanted(parameters: Parameters) -> int:
    """Nodes to scale to: no more than there are trials to run at once."""
    search = parameters.search
    return min(_most_nodes(parameters.compute), search.trials, search.parallel or ALL_WORKERS)


def nodes_kept(parameters: Parameters) -> int:
    """Nodes that are kept up while the study lasts, whether they have work or not; on Dask nobody pays for them."""
    compute = parameters.compute
    return min(compute.min_nodes, nodes_wanted(parameters)) if isinstance(compute, AzureMlCompute) else 0


def check_cores(compute: DaskCompute, nodes: int) -> None:
    """Raise UserError where `nodes` trials at once would want more cores than this machine has.

    A scheduler at an address knows its own machines.
    """
    if compute.address is not None:
        return
    here, threads = _cores(), compute.threads
    if threads > here:
        raise UserError(
            f"compute.threads = {threads} wants more cores than this machine has: set compute.threads to at most "
            f"{here}."
        )
    if nodes * threads > here:
        fewer_threads = f", or compute.threads to at most {here // nodes}" if nodes <= here else ""
        raise UserError(
            f"compute.nodes = {compute.nodes} with compute.threads = {threads} wants {nodes * threads} cores for "
            f"{nodes} trials at once, and this machine has {here}: set compute.nodes to at most {here // threads}"
            f"{fewer_threads}."
        )


def _most_nodes(compute: DaskCompute | AzureMlCompute) -> int:
    if isinstance(compute, AzureMlCompute):
        return compute.max_nodes
    here = max(1, _cores() // compute.threads) if compute.address is None else ALL_WORKERS
    return compute.nodes or here


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))
