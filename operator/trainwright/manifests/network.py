"""The job's NetworkPolicy: its pods talk to each other and ask for names; anyone may read their metrics.

Policies add up: whoever's job needs more, such as an object store, adds a policy of their own that selects its pods.
Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from typing import Any

from trainwright.api.job import TrainingJob
from trainwright.manifests.names import metadata, pod_labels
from trainwright.manifests.site import METRICS_PORT

_DNS_PORT = 53


def network_policy(job: TrainingJob) -> dict[str, Any]:
    """What the pods of the job may send and receive."""
    own = {"podSelector": {"matchLabels": pod_labels(job)}}
    names = [{"protocol": protocol, "port": _DNS_PORT} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(job, job.metadata.name),
        "spec": {
            **own,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [own]}, {"ports": [{"protocol": "TCP", "port": METRICS_PORT}]}],
            "egress": [{"to": [own]}, {"ports": names}],
        },
    }
