"""What the chart renders is accepted by a real API server, whatever is switched on or off.

The monitors and rules are held against the real CRDs of the Prometheus operator.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from testbed import ControlPlane, operator, wait_until
from testbed.binaries import find_kubectl, find_monitoring_crds
from testbed.helm import render
from tests.cluster.chart import EVERYTHING, SWITCHES, of_kind, served

RELEASE_NAMESPACE = "chart-objects"
TEAMS = ["chart-team-a", "chart-team-b"]
MONITORING = "monitoring.coreos.com/v1"


def cases() -> Iterator[Any]:
    yield pytest.param({}, id="defaults")
    yield pytest.param(EVERYTHING, id="everything")
    yield pytest.param({**dict.fromkeys(SWITCHES, False), "replicas": 0}, id="nothing")
    yield pytest.param({"namespaces": TEAMS}, id="namespaces")
    for switch, default in SWITCHES.items():
        yield pytest.param({switch: not default}, id=f"{switch}={not default}")


@pytest.fixture(scope="module")
def cluster(own_control_plane: ControlPlane, helm_program: None) -> ControlPlane:
    """A cluster with the namespaces that the chart is rendered for, and with the Prometheus operator's CRDs."""
    for name in (RELEASE_NAMESPACE, *TEAMS):
        labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        own_control_plane.client.post("/api/v1/namespaces", body)
    operator.apply(own_control_plane, [yaml.safe_load(file.read_text()) for file in find_monitoring_crds()])
    for kind in ("servicemonitors", "podmonitors", "prometheusrules"):
        wait_until(
            lambda kind=kind: served(own_control_plane.client, f"/apis/{MONITORING}/{kind}"), f"{kind} are served"
        )
    return own_control_plane


def dry_run(cluster: ControlPlane, objects: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    command = [
        str(find_kubectl()),
        f"--kubeconfig={cluster.kubeconfig()}",
        "apply",
        "--server-side",
        "--force-conflicts",
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    options = ["--dry-run=server", "--validate=strict", "-f", "-"]
    return subprocess.run([*command, *options], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("values", list(cases()))
def test_every_object_is_accepted(cluster: ControlPlane, values: dict[str, Any]) -> None:
    objects = render(values, namespace=RELEASE_NAMESPACE)
    done = dry_run(cluster, objects)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


def test_the_monitors_are_held_against_the_real_definitions(cluster: ControlPlane) -> None:
    objects = render(EVERYTHING, namespace=RELEASE_NAMESPACE)
    monitor = of_kind(objects, "PodMonitor")
    monitor["spec"]["podMetricsEndpoints"][0]["prot"] = "metrics"
    said = dry_run(cluster, [monitor]).stderr
    assert "unknown field" in said
    assert "prot" in said


def test_with_namespaces_no_right_reaches_beyond_them() -> None:
    objects = render({"namespaces": TEAMS, "rbac.userRoles": False}, namespace=RELEASE_NAMESPACE)
    assert not [body for body in objects if body["kind"] in ("ClusterRole", "ClusterRoleBinding")]
    where = {body["metadata"]["namespace"] for body in objects if body["kind"] == "Role"}
    assert where == {RELEASE_NAMESPACE, *TEAMS}
    (rights,) = {
        json.dumps(body["rules"]) for body in objects if body["metadata"].get("namespace") in TEAMS and "rules" in body
    }
    assert json.loads(rights) == of_kind(render({}), "ClusterRole")["rules"]
