"""What the kubelet does with a container's environment: field references and `$(VARIABLE)`.

Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.api.contract import TERMINATION_VARIABLE

Object = Mapping[str, Any]


def pod_environment(
    container: Object, index: int, workers: int, termination_log: Path, programs: Path
) -> dict[str, str]:
    """The environment of one worker: this process' own, then the container's, then what only exists on one machine.

    Args:
        container: the container `trainer` of the child Job.
        index: the worker's index.
        workers: how many workers share this machine.
        termination_log: the file that stands for the container's termination message.
        programs: the folder of the Python that the container's image would have.
    """
    environment = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // workers, 1)), **os.environ}
    environment["PATH"] = os.pathsep.join([str(programs), environment.get("PATH", "")])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path.cwd()), environment.get("PYTHONPATH")]))
    environment["PYTHONUNBUFFERED"] = "1"
    gpus = _gpus_per_worker(container)
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, range(index * gpus, (index + 1) * gpus)))
    for variable in container.get("env", ()):
        # The only field that our own variables refer to is the index.
        value = str(index) if "valueFrom" in variable else expand(variable.get("value", ""), environment)
        environment[variable["name"]] = value
    environment[TERMINATION_VARIABLE] = str(termination_log)
    return environment


def expand(value: str, known: Mapping[str, str]) -> str:
    """Puts the values of known variables in the place of `$(NAME)`; `$$(NAME)` stands for itself."""

    def replace(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return known.get(match.group(1), match.group(0))

    return re.sub(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)", replace, value)


def _gpus_per_worker(container: Object) -> int:
    limits = container.get("resources", {}).get("limits", {})
    return sum(int(amount) for name, amount in limits.items() if name.endswith("/gpu"))
