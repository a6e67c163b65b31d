"""The addresses of the machine's network. Every machine has a network of its own, so they are always the same."""

BRIDGE = "cni0"
POD_NETWORK = "10.88.0.0/16"
NODE = "10.88.0.1"
"""The node on the bridge: the pods' way to it, to the API server and to DNS."""
