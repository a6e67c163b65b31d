"""What holds on any cluster that the tests run on, their own or an existing one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import ApiError, Cluster, ControlPlane


def test_a_namespace_refuses_a_privileged_pod(control_plane: Cluster, namespace: str) -> None:
    container = {"name": "trainer", "image": "trainer", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": {"containers": [container]}}
    with pytest.raises(ApiError, match='violates PodSecurity "restricted:latest"') as refused:
        control_plane.client.post(f"/api/v1/namespaces/{namespace}/pods", pod)
    assert refused.value.status == 403


def test_tests_can_run_on_an_existing_cluster(own_control_plane: ControlPlane) -> None:
    folder = Path(__file__).parent
    tests = [f"{__file__}::test_a_namespace_refuses_a_privileged_pod", str(folder / "test_control_plane.py")]
    existing = {"TRAINWRIGHT_TEST_CLUSTER": "existing", "KUBECONFIG": str(own_control_plane.kubeconfig())}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "refuses or uses", *tests],
        cwd=folder.parents[1],
        env={**os.environ, **existing},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed, 1 skipped" in done.stdout.splitlines()[-1], done.stdout
