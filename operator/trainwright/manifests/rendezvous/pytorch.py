"""PyTorch: torchrun's PET_* variables, and those that `torch.distributed` reads where no torchrun is used.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html and torch.distributed's `env://` initialization.
"""

from trainwright.api.contract import ELASTIC_RENDEZVOUS
from trainwright.manifests.elasticity import Bounds
from trainwright.manifests.rendezvous.group import INDEX, Group

LAST_CALL_SECONDS = 30
"""How long an elastic group that has its fewest workers waits for those that are missing; torchrun's own default."""


def environment(group: Group) -> dict[str, str]:
    """Both Kubeflow generations' variables; an elastic group has torchrun's own only, as it has no fixed size.

    WORLD_SIZE counts processes. RANK is a process's rank, so it is set only where a worker has one process: with
    more, torchrun sets it for each.
    """
    if group.bounds is not None:
        return _elastic(group, group.bounds)
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


def _elastic(group: Group, bounds: Bounds) -> dict[str, str]:
    """What torchrun is told of a group that changes its size.

    A Job's template can't be changed: the size that it is made with is no more than a hint, by which the first round
    begins as soon as all are there.
    """
    host = group.endpoints[0]
    return {
        "PET_NNODES": f"{bounds.fewest}:{bounds.most}",
        "PET_NPROC_PER_NODE": str(group.processes),
        "PET_RDZV_BACKEND": ELASTIC_RENDEZVOUS,
        "PET_RDZV_ENDPOINT": f"{host.host}:{host.port}",
        "PET_RDZV_CONF": f"expected_nodes={len(group.endpoints)},last_call_timeout={LAST_CALL_SECONDS}",
    }
