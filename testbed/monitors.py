"""What the Prometheus Operator makes of the chart's ServiceMonitor and PodMonitor, as far as these two go.

Source: https://prometheus-operator.dev/docs/api-reference/api/ and the labels of Prometheus' kubernetes_sd_config
"""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.api import ApiClient
from testbed.prometheus import SCRAPE_SECONDS

Object = dict[str, Any]

ENDED = "Succeeded|Failed"


class Discovery:
    """Prometheus' discovery of pods and endpoints, which Debian's build of it lacks: keeps files of what there is.

    From `with` to the end of the block.

    Args:
        client: lists in all namespaces.
        folder: for the files.
    """

    def __init__(self, client: ApiClient, folder: Path) -> None:
        self._client, self._folder = client, folder
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def file(self, role: str) -> Path:
        """Where the targets of a role are, `pod` or `endpoints`."""
        return self._folder / f"{role}.json"

    def _run(self) -> None:
        while not self._ending.wait(SCRAPE_SECONDS):
            pods = self._client.get("/api/v1/pods")["items"]
            services = {_name(body): body for body in self._client.get("/api/v1/services")["items"]}
            endpoints = self._client.get("/api/v1/endpoints")["items"]
            found = {
                "pod": [target for pod in pods for target in _pod_targets(pod)],
                "endpoints": [
                    target
                    for body in endpoints
                    if _name(body) in services
                    for target in _endpoint_targets(body, services[_name(body)])
                ],
            }
            for role, targets in found.items():
                draft = self.file(role).with_suffix(".draft")
                draft.write_text(json.dumps(targets))
                draft.replace(self.file(role))


def _pod_targets(pod: Object) -> Iterator[Object]:
    labels = _meta(pod, "pod") | {"__meta_kubernetes_pod_phase": pod["status"]["phase"]}
    for port in (port for container in pod["spec"]["containers"] for port in container.get("ports", ())):
        if address := pod["status"].get("podIP"):
            name = {"__meta_kubernetes_pod_container_port_name": port.get("name", "")}
            yield {"targets": [f"{address}:{port['containerPort']}"], "labels": labels | name}


def _endpoint_targets(endpoints: Object, service: Object) -> Iterator[Object]:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports", ()):
            addresses = [f"{address['ip']}:{port['port']}" for address in subset.get("addresses", ())]
            name = {"__meta_kubernetes_endpoint_port_name": port.get("name", "")}
            yield {"targets": addresses, "labels": _meta(service, "service") | name}


def _meta(body: Object, thing: str) -> dict[str, str]:
    labels = {"__meta_kubernetes_namespace": body["metadata"]["namespace"]}
    for name, value in body["metadata"].get("labels", {}).items():
        labels[f"__meta_kubernetes_{thing}_label_{_plain(name)}"] = value
        labels[f"__meta_kubernetes_{thing}_labelpresent_{_plain(name)}"] = "true"
    return labels


def _name(body: Object) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def scrape_config(monitor: Object, discovery: Discovery) -> Object:
    """The entry of Prometheus' `scrape_configs`; its interval is that of all tests.

    Args:
        monitor: a ServiceMonitor or PodMonitor with one endpoint.
        discovery: finds what it selects.

    Raises:
        ValueError: it has a field that nothing is made of here.
    """
    kind, spec = monitor["kind"], monitor["spec"]
    role, thing, port, endpoints = {
        "ServiceMonitor": ("endpoints", "service", "endpoint_port_name", "endpoints"),
        "PodMonitor": ("pod", "pod", "pod_container_port_name", "podMetricsEndpoints"),
    }[kind]
    (endpoint,) = spec[endpoints]
    unknown = [*(spec.keys() - {"selector", "namespaceSelector", endpoints})]
    unknown += endpoint.keys() - {"port", "honorLabels", "interval"}
    if unknown:
        raise ValueError(f"{kind}: {', '.join(unknown)}")
    rules = [*_selection(spec["selector"], thing), _rule("keep", port, endpoint["port"])]
    if "namespaceSelector" not in spec:
        rules.append(_rule("keep", "namespace", monitor["metadata"]["namespace"]))
    if role == "pod":
        rules.append(_rule("drop", "pod_phase", ENDED))
    return {
        "job_name": monitor["metadata"]["name"],
        "honor_labels": endpoint["honorLabels"],
        "scrape_interval": f"{SCRAPE_SECONDS}s",
        "file_sd_configs": [{"files": [str(discovery.file(role))], "refresh_interval": f"{SCRAPE_SECONDS}s"}],
        "relabel_configs": rules,
    }


def _selection(selector: Object, thing: str) -> list[Object]:
    labels = [
        _rule("keep", f"{thing}_label_{_plain(name)}", re.escape(value))
        for name, value in selector.get("matchLabels", {}).items()
    ]
    for expression in selector.get("matchExpressions", ()):
        if expression["operator"] != "Exists":
            raise ValueError(f"selector: {expression['operator']}")
        labels.append(_rule("keep", f"{thing}_labelpresent_{_plain(expression['key'])}", "true"))
    return labels


def _rule(action: str, name: str, pattern: str) -> Object:
    return {"action": action, "source_labels": [f"__meta_kubernetes_{name}"], "regex": pattern}


def _plain(label: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", label)
