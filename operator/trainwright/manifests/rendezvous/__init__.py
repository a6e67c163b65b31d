"""How the processes of a group find each other: one file a framework, each the names that its users know."""

from collections.abc import Callable

from trainwright.manifests.rendezvous import jax, mxnet, pytorch, tensorflow
from trainwright.manifests.rendezvous.group import Group, Task

__all__ = ["Group", "Task", "rendezvous_environment"]

_FRAMEWORKS: dict[str, Callable[[Group], dict[str, str]]] = {
    "pytorch": pytorch.environment,
    "tensorflow": tensorflow.environment,
    "jax": jax.environment,
    "mxnet": mxnet.environment,
}


def rendezvous_environment(framework: str, group: Group) -> dict[str, str]:
    """The variables that a worker of the group finds its peers by; values may refer to `$(TRAINWRIGHT_INDEX)`."""
    return _FRAMEWORKS[framework](group)
