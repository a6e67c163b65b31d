"""A control plane with one real node in namespaces of its own: containers, DNS, ClusterIPs, volumes."""

from testbed.node.cluster import NodeCluster

__all__ = ["NodeCluster"]
