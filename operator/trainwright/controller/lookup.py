"""Looks TrainingJobs up in the cluster that the kubeconfig names, for commands that only show them."""

from collections.abc import Sequence
from typing import Any

from kubernetes.aio.config import ConfigException, list_kube_config_contexts

from trainwright.controller.client import ApiError, Client, Object

UNREACHABLE = (ApiError, ConfigException, TimeoutError, OSError)
"""What is raised when the cluster can't be asked, or refuses."""


def current_namespace() -> str:
    """The namespace of the kubeconfig's context, as kubectl takes it; `default` where it names none."""
    try:
        _, active = list_kube_config_contexts()  # type: ignore[no-untyped-call]
    except ConfigException:
        return "default"
    namespace: str = (active or {}).get("context", {}).get("namespace") or "default"
    return namespace


async def look_up(namespace: str, name: str) -> dict[str, Any]:
    """One TrainingJob.

    Raises:
        ApiError: there is none of that name, or it may not be read.
    """
    async with Client() as client:
        return await client.read("TrainingJob", namespace, name)


async def look_up_all(client: Client, namespaces: Sequence[str]) -> list[Object]:
    """Every TrainingJob of the namespaces, or of the whole cluster when there are none given."""
    places: Sequence[str | None] = namespaces or [None]
    found = [await client.read_everywhere("TrainingJob", namespace) for namespace in places]
    return [body for bodies in found for body in bodies]
