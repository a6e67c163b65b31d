"""One cluster with a real node for all tests of this folder, with the images that the Dockerfile makes."""

import os
from collections.abc import Iterator

import pytest

from testbed import BinariesMissingError, wait_until
from testbed.node import NodeCluster
from testbed.node.operator import Operator
from tests.node.jobs import Jobs

IMAGES = ("operator", "pytorch", "jax", "tensorflow", "mxnet")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs the node is slow."""
    for item in items:
        if isinstance(item, pytest.Function) and "node" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def running_node(pytestconfig: pytest.Config) -> Iterator[NodeCluster]:
    """Where a node can't run, its tests are skipped with the reason; on CI that is an error."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    cluster = NodeCluster(IMAGES)
    try:
        with capture.global_and_fixture_disabled():  # building images takes minutes
            cluster.__enter__()
    except BinariesMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    try:
        yield cluster
    finally:
        cluster.__exit__(None, None, None)


@pytest.fixture
def node(running_node: NodeCluster) -> Iterator[NodeCluster]:
    """The cluster, with the test in its network."""
    with running_node.network():
        yield running_node


@pytest.fixture(scope="session")
def running_operator(running_node: NodeCluster) -> Operator:
    """The operator, installed as users install it: a Deployment in a namespace of its own."""
    with running_node.network():
        operator = Operator(running_node)
        operator.install()
    return operator


@pytest.fixture
def operator(running_operator: Operator, node: NodeCluster) -> Operator:
    """The operator; it runs again when a test that has killed it is over."""
    running_operator.wait_ready()
    return running_operator


@pytest.fixture
def namespace(node: NodeCluster) -> Iterator[str]:
    """The name of a fresh namespace that refuses pods below the `restricted` standard; deleted after the test."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-", "labels": labels}}
    name: str = node.client.post("/api/v1/namespaces", wanted)["metadata"]["name"]
    path = f"/api/v1/namespaces/{name}"
    wait_until(lambda: node.client.get(f"{path}/serviceaccounts")["items"], f"{name} has its service account")
    yield name
    node.client.delete(path)


@pytest.fixture
def jobs(operator: Operator, node: NodeCluster, namespace: str) -> Jobs:
    """TrainingJobs of a namespace of the test's own."""
    return Jobs(node, namespace)
