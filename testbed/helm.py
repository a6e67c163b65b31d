"""The chart, rendered and installed with the pinned helm."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from testbed.binaries import find_helm
from testbed.cluster import Cluster

CHART = Path(__file__).parents[1] / "charts/trainwright"
Object = dict[str, Any]


class HelmError(RuntimeError):
    """helm has refused; the message is its own."""


def helm(*arguments: str, cluster: Cluster | None = None) -> str:
    """What `helm ARGUMENTS` prints. It reads and writes nothing in the user's home. Raises HelmError."""
    with tempfile.TemporaryDirectory(prefix="trainwright-helm-") as home:
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("HELM_", "XDG_"))}
        environment |= {"HOME": home, "KUBECONFIG": str(cluster.kubeconfig()) if cluster else os.devnull}
        command = [str(find_helm()), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HelmError(done.stderr)
    return done.stdout


def values_flags(values: Mapping[str, Any]) -> list[str]:
    """Values as flags; a key may be a path such as `crds.keep`."""
    return [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]


def render(
    values: Mapping[str, Any], *, name: str = "trainwright", namespace: str = "trainwright-system"
) -> list[Object]:
    """The objects of the chart with these values. Raises HelmError."""
    text = helm("template", name, str(CHART), f"--namespace={namespace}", *values_flags(values))
    return [body for body in yaml.safe_load_all(text) if body]
