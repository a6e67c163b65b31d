"""A real Kubernetes control plane with fake nodes, for tests, benchmarks and `make cluster`."""

from testbed.api import ApiClient, ApiError
from testbed.build import BinariesMissingError
from testbed.cluster import Cluster, ExistingCluster
from testbed.controlplane import ControlPlane
from testbed.processes import StartError
from testbed.waiting import wait_until

__all__ = [
    "ApiClient",
    "ApiError",
    "BinariesMissingError",
    "Cluster",
    "ControlPlane",
    "ExistingCluster",
    "StartError",
    "wait_until",
]
