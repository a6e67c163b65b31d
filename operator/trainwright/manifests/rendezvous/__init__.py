"""How the processes of a group find each other: one file a framework, each the names that its users know."""

from collections.abc import Callable, Sequence

from trainwright.manifests.rendezvous import jax, mxnet, pytorch, tensorflow
from trainwright.manifests.rendezvous.group import Group, Task

__all__ = ["Group", "Task", "group_command", "rendezvous_environment", "tell_task"]

_FRAMEWORKS: dict[str, Callable[[Group], dict[str, str]]] = {
    "pytorch": pytorch.environment,
    "tensorflow": tensorflow.environment,
    "jax": jax.environment,
    "mxnet": mxnet.environment,
}


def group_command(framework: str, command: Sequence[str]) -> list[str]:
    """The command of a program of the user's own that runs on every worker of a group."""
    return mxnet.with_servers(command) if framework == "mxnet" else list(command)


def tell_task(framework: str) -> str:
    """Shell that tells a program what it is among the workers, by the variables `role` and `number`."""
    return {"tensorflow": tensorflow.TELL_TASK, "mxnet": mxnet.TELL_TASK}[framework]


def rendezvous_environment(framework: str, group: Group) -> dict[str, str]:
    """The variables that a worker of the group finds its peers by; values may refer to `$(TRAINWRIGHT_INDEX)`."""
    return _FRAMEWORKS[framework](group)
