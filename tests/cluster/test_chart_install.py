"""The chart's life on a real control plane: installed, upgraded from a version before, uninstalled, installed again.

Pods run on fake nodes; the operator itself runs beside them, as the Deployment would start it.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed import ApiClient, ApiError, ControlPlane, wait_until
from testbed.binaries import find_kubectl
from testbed.components import HOST
from testbed.helm import CHART, helm, values_flags
from testbed.processes import Process
from tests.cluster.chart import served
from tests.cluster.trainingjobs import exists
from trainwright.api.loading import read_manifests
from trainwright.api.validation import load_job
from trainwright.local.ports import free_ports

NAMESPACE = "trainwright-system"
NAME = "trainwright-operator"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trainingjobs.trainwright.dev"
JOBS = "/apis/trainwright.dev/v1alpha1/namespaces/default/trainingjobs"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NAME}"
WAIT = ("--wait", "--timeout=180s")
JOB = {
    "apiVersion": "trainwright.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "kept"},
    "spec": {
        "framework": "pytorch",
        "storage": {"claimName": "data"},
        "steps": [{"name": "a", "run": {"command": ["x"]}}],
    },
}


@pytest.fixture(scope="module")
def plane(control_plane: object, helm_program: None) -> Iterator[ControlPlane]:
    """A cluster that nothing of ours was ever installed in, with two nodes."""
    with ControlPlane() as plane:
        plane.add_fake_nodes(2)
        yield plane


@pytest.fixture
def version_before(tmp_path: Path) -> Path:
    """A chart of another version, whose TrainingJob has no `spec.seed` and whose operator can't make Services."""
    chart = Path(shutil.copytree(CHART, tmp_path / "before"))
    change(chart / "Chart.yaml", r"(?m)^(version|appVersion): .*$", r"\1: 0.0.1")
    crd = yaml.safe_load((chart / "crd/trainingjobs.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["seed"]
    rules = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"]
    rules[:] = [rule for rule in rules if "seed" not in rule["rule"]]
    (chart / "crd/trainingjobs.yaml").write_text(yaml.safe_dump(crd, sort_keys=False))
    change(chart / "templates/_rights.tpl", "services, persistentvolumeclaims", "persistentvolumeclaims")
    return chart


def change(file: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, file.read_text())
    assert count, f"{file}: no {pattern}"
    file.write_text(text)


def release(plane: ControlPlane, verb: str, chart: Path | None = CHART, *options: str, **values: Any) -> str:
    arguments = [verb, "trainwright", *([str(chart)] if chart else []), f"--namespace={NAMESPACE}", *options]
    return helm(*arguments, *values_flags(values), cluster=plane)


def everything(plane: ControlPlane) -> set[str]:
    """Names of all objects that the chart could have made or caused, cluster-wide and in its namespace."""
    kubectl = [str(find_kubectl()), f"--kubeconfig={plane.kubeconfig()}"]

    def run(*arguments: str) -> list[str]:
        return subprocess.run([*kubectl, *arguments], capture_output=True, text=True, check=True).stdout.split()

    found = set()
    for namespaced in ("true", "false"):
        kinds = run("api-resources", "--verbs=list", f"--namespaced={namespaced}", "-o", "name")
        kinds = [kind for kind in kinds if kind.split(".")[0] != "events"]
        found |= set(run("get", ",".join(kinds), f"--namespace={NAMESPACE}", "-o", "name", "--ignore-not-found"))
    return found


class DeployedOperator:
    """The operator as the Deployment in the cluster starts it, under the service account that it names."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        deployment = plane.client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}")
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        config = plane.client.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}")["data"]
        for name, text in config.items():
            (folder / name).write_text(text)
        self._ports = dict(zip(ports, free_ports(len(ports)), strict=True))
        self._probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "config"]
        replaced = {
            "$(POD_NAME)": "pod-1",
            "$(POD_NAMESPACE)": NAMESPACE,
            mount["mountPath"]: str(folder),
            **{f"--{name}-port={port}": f"--{name}-port={self._ports[name]}" for name, port in ports.items()},
        }
        program, *arguments = [*container["command"], *container["args"]]
        for old, new in replaced.items():
            assert any(old in argument for argument in arguments), old
            arguments = [argument.replace(old, new) for argument in arguments]
        user = plane.service_account_kubeconfig(NAMESPACE, pod["serviceAccountName"], folder)
        command = [str(Path(sys.executable).parent / program), *arguments]
        self.process = Process(command, folder, {"KUBECONFIG": str(user)})

    def start_ready(self) -> None:
        """Waits until every probe is answered, and the metrics are there."""
        self.process.launch()
        for probe in self._probes:
            self.process.wait(lambda probe=probe: self._answers(probe["port"], probe["path"]))
        assert self._answers("metrics", "/metrics")

    def _answers(self, port: str, path: str) -> bool:
        try:
            ApiClient(f"http://{HOST}:{self._ports[port]}", None).text(path)
        except ApiError:
            return False
        return True


def test_installed_upgraded_and_uninstalled(plane: ControlPlane, version_before: Path, tmp_path: Path) -> None:
    client = plane.client
    at_first = everything(plane)
    release(plane, "install", version_before, "--create-namespace", *WAIT)
    wait_until(lambda: served(client, JOBS), "TrainingJobs are served")
    with pytest.raises(ApiError, match=r'unknown field "spec.seed"'):
        client.post(JOBS, {**JOB, "spec": {**JOB["spec"], "seed": 1}}, fieldValidation="Strict")
    client.post(JOBS, JOB, fieldValidation="Strict")

    release(plane, "upgrade", CHART, *WAIT)
    assert (
        "seed"
        in client.get(CRD)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    )
    operator = DeployedOperator(plane, tmp_path)
    try:
        operator.start_ready()
        wait_until(lambda: client.get(f"{JOBS}/kept").get("status", {}).get("phase"), "the job is cared for")
        assert client.get(LEASE)["spec"]["holderIdentity"] == "pod-1"
        release(plane, "upgrade", CHART, *WAIT, replicas=1)
        assert client.get(LEASE)["spec"]["holderIdentity"] == "pod-1"
    finally:
        operator.process.stop()

    release(plane, "uninstall", None, *WAIT)
    left = {
        "customresourcedefinition.apiextensions.k8s.io/trainingjobs.trainwright.dev",
        "apiservice.apiregistration.k8s.io/v1alpha1.trainwright.dev",
        f"namespace/{NAMESPACE}",
        "configmap/kube-root-ca.crt",
        "serviceaccount/default",
    }
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: everything(plane) - at_first <= left, "nothing else is left")
    assert everything(plane) - at_first <= left
    assert client.get(f"{JOBS}/kept")["spec"]["framework"] == "pytorch"

    release(plane, "install", CHART, *WAIT)
    assert client.get(f"{JOBS}/kept")["spec"]["framework"] == "pytorch"
    release(plane, "upgrade", CHART, **{"crds.keep": False})
    release(plane, "uninstall", None, *WAIT)
    wait_until(lambda: not exists(client, CRD), "the definition is gone where it is not to be kept")


def test_a_definition_that_kubectl_has_applied_can_be_taken_over(plane: ControlPlane) -> None:
    subprocess.run(
        [
            str(find_kubectl()),
            f"--kubeconfig={plane.kubeconfig()}",
            "apply",
            "-f",
            str(CHART / "crd/trainingjobs.yaml"),
        ],
        check=True,
        capture_output=True,
    )
    release(plane, "install", CHART, "--create-namespace", "--take-ownership")
    assert plane.client.get(CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"] == "trainwright"
    release(plane, "uninstall", None, *WAIT)


@pytest.fixture
def installed_release(plane: ControlPlane) -> Iterator[str]:
    """What the release says at the end of its installation."""
    yield release(plane, "install", CHART, "--create-namespace", "--take-ownership")
    release(plane, "uninstall", None, *WAIT)


def test_the_notes_next_step_is_right(plane: ControlPlane, installed_release: str, tmp_path: Path) -> None:
    manifest = re.search(r"<<EOF\n(.*?)\n  EOF", installed_release, re.DOTALL)
    assert manifest
    (tmp_path / "digits.yaml").write_text(textwrap.dedent(manifest.group(1)))
    (body,) = read_manifests(tmp_path / "digits.yaml")
    assert load_job(body).metadata.name == "digits"
    wait_until(lambda: served(plane.client, JOBS), "TrainingJobs are served")
    plane.client.post(JOBS, body, dryRun="All", fieldValidation="Strict")
    assert f"rollout status deployment/{NAME}" in installed_release


def test_who_may_edit_a_namespace_may_train_in_it_and_who_may_view_it_may_look(
    plane: ControlPlane, installed_release: str
) -> None:
    rbac = "rbac.authorization.k8s.io"
    for role in ("edit", "view"):
        subject = {"kind": "User", "name": role, "apiGroup": rbac}
        body = {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        }
        plane.client.post(f"/apis/{rbac}/v1/namespaces/default/rolebindings", body)
    editor, viewer = (ApiClient.from_kubeconfig(plane.kubeconfig(role, ())) for role in ("edit", "view"))

    def allowed(ask: Any) -> bool:
        try:
            return bool(ask())
        except ApiError as error:
            assert error.status == 403, error
            return False

    wait_until(lambda: allowed(lambda: viewer.get(JOBS)), "a viewer may look")
    wait_until(lambda: allowed(lambda: editor.post(JOBS, JOB, dryRun="All")), "an editor may train")
    assert not allowed(lambda: viewer.post(JOBS, JOB, dryRun="All"))
    assert not allowed(lambda: editor.patch(f"{JOBS}/kept/status", {"status": {}}))
