"""PyTorch: torchrun's PET_* variables, and those that `torch.distributed` reads where no torchrun is used.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html and torch.distributed's `env://` initialization.
"""

from trainwright.manifests.rendezvous.group import INDEX, Group


def environment(group: Group) -> dict[str, str]:
    """Both Kubeflow generations' variables.

    WORLD_SIZE counts processes. RANK is a process's rank, so it is set only where a worker has one process: with
    more, torchrun sets it for each.
    """
    master = group.endpoints[0]
    variables = {
        "PET_NNODES": str(len(group.endpoints)),
        "PET_NPROC_PER_NODE": str(group.processes),
        "PET_NODE_RANK": INDEX,
        "PET_MASTER_ADDR": master.host,
        "PET_MASTER_PORT": str(master.port),
        "MASTER_ADDR": master.host,
        "MASTER_PORT": str(master.port),
        "WORLD_SIZE": str(group.world_size),
    }
    return variables | ({"RANK": INDEX, "LOCAL_RANK": "0"} if group.processes == 1 else {})
