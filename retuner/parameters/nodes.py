"""How many nodes a retune asks for."""

import os

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


def _most_nodes(compute: DaskCompute | AzureMlCompute) -> int:
    if isinstance(compute, AzureMlCompute):
        return compute.max_nodes
    cores = len(os.sched_getaffinity(0)) // compute.threads
    here = max(1, cores) if compute.address is None else ALL_WORKERS
    return compute.nodes or here
