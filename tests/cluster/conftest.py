"""The cluster that the tests in this folder run on: one control plane a run, or with KUBECONFIG one that exists."""

import os
from collections.abc import Callable, Iterator

import pytest

from testbed import ApiError, BinariesMissingError, Cluster, ControlPlane, ExistingCluster, operator, wait_until
from testbed.binaries import find_binaries, find_helm
from testbed.operator import OperatorProcess
from tests.cluster.pods import Pods
from tests.cluster.trainingjobs import CLAIM, TrainingJobs


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """A cluster to write to: a ControlPlane, or where TRAINWRIGHT_TEST_CLUSTER is `existing` the one KUBECONFIG names.

    Where a ControlPlane can't be had its tests are skipped, but on CI that is an error.
    """
    if os.environ.get("TRAINWRIGHT_TEST_CLUSTER") == "existing":
        yield ExistingCluster()
        return
    build_or_skip(pytestconfig, find_binaries)
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="session")
def helm_program(pytestconfig: pytest.Config) -> None:
    """The pinned helm is there."""
    build_or_skip(pytestconfig, find_helm)


@pytest.fixture(scope="session")
def own_control_plane(control_plane: Cluster) -> ControlPlane:
    """For tests that restart programs, read the audit log or make up users: they can't run on an existing cluster."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("needs a control plane of its own, not the one that KUBECONFIG names")
    return control_plane


@pytest.fixture(scope="session")
def fake_nodes(own_control_plane: ControlPlane) -> list[str]:
    """Four nodes with 8 GPUs each, whose pods do what `testbed.fakes` says."""
    return own_control_plane.add_fake_nodes(4, gpus=8)


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """The name of a fresh namespace that refuses pods below the `restricted` standard; deleted after the test."""
    client = control_plane.client
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-", "labels": labels}}
    name = client.post("/api/v1/namespaces", wanted)["metadata"]["name"]
    path = f"/api/v1/namespaces/{name}"
    # Pods are refused until it exists.
    wait_until(lambda: client.get(f"{path}/serviceaccounts")["items"], f"{name} has its service account")
    yield name
    client.delete(path)


@pytest.fixture(scope="session")
def installed(own_control_plane: ControlPlane, fake_nodes: list[str]) -> ControlPlane:
    """A cluster with nodes, the CRD and the operator's rights in all namespaces."""
    operator.install(own_control_plane)
    return own_control_plane


@pytest.fixture(scope="session")
def pods(installed: ControlPlane) -> Iterator[Pods]:
    """Follows all pods and plays the trainers in them."""
    pods = Pods(installed.client)
    pods.start()
    yield pods
    pods.stop()


@pytest.fixture(scope="module")
def operator_process(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator with the rights of its manifests, for the tests of one module."""
    folder = tmp_path_factory.mktemp("operator")
    kubeconfig = installed.service_account_kubeconfig(operator.NAMESPACE, operator.SERVICE_ACCOUNT, folder)
    process = OperatorProcess(kubeconfig, folder)
    process.start_ready()
    yield process
    process.stop()
    assert "Traceback" not in process.log.read_text()


@pytest.fixture
def unattended_jobs(installed: ControlPlane, pods: Pods, namespace: str) -> Iterator[TrainingJobs]:
    """TrainingJobs of a namespace of its own, in which a bound claim is there. No rank ever has two live pods."""
    make_claim(installed, namespace)
    yield TrainingJobs(installed.client, pods, namespace)
    pods.assert_never_two_a_rank(namespace)


@pytest.fixture
def jobs(operator_process: OperatorProcess, unattended_jobs: TrainingJobs) -> TrainingJobs:
    """Likewise, with an operator."""
    return unattended_jobs


@pytest.fixture(scope="session")
def pod_group_crds(installed: ControlPlane) -> None:
    """PodGroups, without the schedulers that they are for."""
    for group, version in (("scheduling.volcano.sh", "v1beta1"), ("scheduling.x-k8s.io", "v1alpha1")):
        make_pod_group_crd(installed, group, version)


def make_pod_group_crd(cluster: Cluster, group: str, version: str) -> None:
    """Makes a CRD that takes any PodGroup of an API version."""
    names = {"plural": "podgroups", "singular": "podgroup", "kind": "PodGroup"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": version, "served": True, "storage": True, "schema": schema}]
    metadata = {"name": f"podgroups.{group}"}
    if group.endswith("k8s.io"):
        metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, for tests"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata}
    cluster.client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body | {"spec": spec})

    def served() -> bool:
        try:
            return bool(cluster.client.get(f"/apis/{group}/{version}/podgroups"))
        except ApiError:
            return False

    wait_until(served, f"PodGroups of {group} are served")


def make_claim(cluster: Cluster, namespace: str) -> None:
    """Makes a claim with a volume that it is bound to; nothing is ever written there.

    Both say that they are bound: Kubernetes' own controller would take seconds to find that out.
    """
    size, modes = {"storage": "1Gi"}, ["ReadWriteMany"]
    shared = {"accessModes": modes, "storageClassName": "manual"}
    bound = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    wanted = {"resources": {"requests": size}, "volumeName": namespace, **shared}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": wanted, "metadata": {"name": CLAIM, **bound}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    claim = cluster.client.post(path, body)["metadata"]
    reference = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": CLAIM, "uid": claim["uid"]}
    volume = {"capacity": size, "hostPath": {"path": "/nonexistent"}, "claimRef": reference, **shared}
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": volume}
    cluster.client.post("/api/v1/persistentvolumes", body)
    status = {"phase": "Bound", "accessModes": modes, "capacity": size}
    cluster.client.patch(f"{path}/{CLAIM}/status", {"status": status})
    wait_until(lambda: cluster.client.get(f"{path}/{CLAIM}")["status"].get("phase") == "Bound", "the claim is bound")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs the cluster or helm is slow: `make test-fast` must not start one, let alone build it."""
    for item in items:
        if isinstance(item, pytest.Function) and {"control_plane", "helm_program"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


def build_or_skip(config: pytest.Config, find: Callable[[], object]) -> None:
    """Builds the programs that `find` misses with the output visible, because that takes minutes."""
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    try:
        with capture.global_and_fixture_disabled():
            find()
    except BinariesMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
