"""What every part of the benchmark is played on."""

from dataclasses import dataclass

from testbed import ControlPlane
from testbed.operator import OperatorProcess


@dataclass(frozen=True)
class Stage:
    """A control plane with fake nodes, and an operator on it."""

    plane: ControlPlane
    operator: OperatorProcess
