"""JAX: both names of each variable that `jax.distributed.initialize` is given.

Source: https://docs.jax.dev/en/latest/_autosummary/jax.distributed.initialize.html
"""

from trainwright.manifests.rendezvous.group import INDEX, Group


def environment(group: Group) -> dict[str, str]:
    """The coordinator is the process of worker 0; JAX_COORDINATOR_ADDRESS has its port, COORDINATOR_ADDRESS not.

    The number of a process is set only where a worker has one.
    """
    coordinator = group.endpoints[0]
    variables = {
        "JAX_COORDINATOR_ADDRESS": f"{coordinator.host}:{coordinator.port}",
        "JAX_NUM_PROCESSES": str(group.world_size),
        "COORDINATOR_ADDRESS": coordinator.host,
        "COORDINATOR_PORT": str(coordinator.port),
        "NUM_PROCESSES": str(group.world_size),
    }
    return variables | ({"JAX_PROCESS_ID": INDEX, "PROCESS_ID": INDEX} if group.processes == 1 else {})
