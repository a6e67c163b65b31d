"""The chart's switches, and what is rendered with them."""

import json
from collections.abc import Iterator
from typing import Any

from testbed import ApiClient, ApiError
from testbed.helm import CHART

Object = dict[str, Any]


def _switches(schema: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    for name, entry in schema["properties"].items():
        if entry.get("type") == "boolean":
            yield ".".join((*path, name)), entry["default"]
        elif "properties" in entry:
            yield from _switches(entry, (*path, name))


SWITCHES = dict(_switches(json.loads((CHART / "values.schema.json").read_text())))
"""Every value that is yes or no, and its default."""

EVERYTHING: Object = {
    **dict.fromkeys(SWITCHES, True),
    "image.registry": "registry.example",
    "image.pullSecrets": ["pull"],
    "serviceAccount.annotations": {"team": "a"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "system-cluster-critical",
    "env": [{"name": "TZ", "value": "UTC"}],
    "podLabels": {"pod": "label"},
    "podAnnotations": {"pod": "annotation"},
    "commonLabels": {"team": "a"},
    "service.annotations": {"team": "a"},
    "networkPolicy.from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
    "networkPolicy.egress.apiServerCIDRs": ["10.0.0.1/32", "fd00::1/128"],
    "podDisruptionBudget.maxUnavailable": "50%",
    "monitoring.serviceMonitor.labels": {"release": "prometheus"},
    "monitoring.podMonitor.labels": {"release": "prometheus"},
    "monitoring.rules.labels": {"release": "prometheus"},
    "monitoring.dashboards.annotations": {"grafana_folder": "Training"},
}
"""Every switch on, and everything set that is empty by default and fits beside the rest."""


def of_kind(objects: list[Object], kind: str) -> Object:
    """The first object of a kind."""
    return next(body for body in objects if body["kind"] == kind)


def served(client: ApiClient, path: str) -> bool:
    """Whether the objects of a new definition can be read; until then the server refuses in several ways."""
    try:
        return bool(client.get(path))
    except ApiError:
        return False
