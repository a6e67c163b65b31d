"""The control plane that tests run on: what it keeps, what it records, and that nothing of it stays behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from testbed import ApiClient, ApiError, ControlPlane, StartError, components, wait_until

PROGRAMS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def test_a_restart_of_the_api_server_keeps_data_and_address(own_control_plane: ControlPlane, namespace: str) -> None:
    client = own_control_plane.client
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    before = client.post(path, config_map("kept"))
    pids = own_control_plane.pids
    with own_control_plane.api_server_down(), pytest.raises(OSError, match="refused"):
        client.get(path)
    assert client.get(f"{path}/kept")["metadata"]["uid"] == before["metadata"]["uid"]
    restarted = {name for name, pid in own_control_plane.pids.items() if pid != pids[name]}
    assert restarted == {"kube-apiserver"}


def test_controllers_go_on_after_a_restart_of_the_api_server(own_control_plane: ControlPlane) -> None:
    """What was made before the restart proves nothing: a controller may have seen it already, or never see it go."""
    own_control_plane.restart_api_server()
    client = own_control_plane.client
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}}
    path = f"/api/v1/namespaces/{client.post('/api/v1/namespaces', wanted)['metadata']['name']}"
    try:
        wait_until(lambda: client.get(f"{path}/serviceaccounts")["items"], "it has its service account", seconds=180)
    finally:
        client.delete(path)


def test_the_audit_log_says_who_asked_for_what(own_control_plane: ControlPlane, namespace: str) -> None:
    alice = ApiClient.from_kubeconfig(own_control_plane.kubeconfig(user="alice", groups=["team-a"]))
    with pytest.raises(ApiError) as refused:
        alice.get(f"/api/v1/namespaces/{namespace}/pods")
    assert refused.value.status == 403
    (event,) = wait_until(lambda: list(own_control_plane.audit_events(user="alice")), "the request is logged")
    assert (event.verb, event.resource, event.namespace, event.code) == ("list", "pods", namespace, 403)
    assert {"admin", "system:apiserver"} < {other.user for other in own_control_plane.audit_events()}


def test_the_audit_log_shows_a_watch_while_it_lasts(own_control_plane: ControlPlane, namespace: str) -> None:
    watcher = ApiClient.from_kubeconfig(own_control_plane.kubeconfig(user="watcher"))
    with closing(watcher.watch(f"/api/v1/namespaces/{namespace}/serviceaccounts")) as events:
        assert next(events)["object"]["metadata"]["name"] == "default"
        (event,) = own_control_plane.audit_events(user="watcher")
    assert (event.verb, event.resource) == ("watch", "serviceaccounts")


def test_groups_of_a_made_up_user_count_for_rbac(own_control_plane: ControlPlane, namespace: str) -> None:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "viewers"}
    binding = {"metadata": {"name": "viewers"}, "roleRef": role, "subjects": [subject]}
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    own_control_plane.client.post(bindings, binding)
    bob = ApiClient.from_kubeconfig(own_control_plane.kubeconfig(user="bob", groups=["viewers"]))
    wait_until(lambda: may_list(bob, f"/api/v1/namespaces/{namespace}/pods"), "the binding is in force")
    assert not may_list(bob, "/api/v1/namespaces/default/pods")


def may_list(client: ApiClient, path: str) -> bool:
    try:
        client.get(path)
    except ApiError as error:
        assert error.status == 403
        return False
    return True


def test_a_service_account_is_itself(own_control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    kubeconfig = own_control_plane.service_account_kubeconfig(namespace, "default", tmp_path)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = ApiClient.from_kubeconfig(kubeconfig).post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert answer["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"


def test_requests_are_counted(own_control_plane: ControlPlane, namespace: str) -> None:
    before = own_control_plane.request_counts()
    for number in range(3):
        own_control_plane.client.post(f"/api/v1/namespaces/{namespace}/configmaps", config_map(f"counted-{number}"))
    made = own_control_plane.request_counts() - before
    counts = {
        request.code: n for request, n in made.items() if (request.verb, request.resource) == ("POST", "configmaps")
    }
    assert counts["201"] >= 3


def test_every_program_reports_what_it_uses(own_control_plane: ControlPlane) -> None:
    usage = own_control_plane.usage()
    assert usage.keys() == PROGRAMS
    assert all(used.memory_bytes > 2**20 and used.cpu_seconds > 0 for used in usage.values())


def test_a_program_that_fails_to_start_shows_its_log_and_ends_the_others(
    own_control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = children(psutil.Process())
    complaint = "import sys; sys.exit('no stages found')"
    monkeypatch.setattr(components, "kwok", lambda *_: [sys.executable, "-c", complaint])
    with (
        pytest.raises(StartError, match=r"ended with exit code 1; the end of its log:\n +no stages found"),
        ControlPlane(),
    ):
        pytest.fail("the control plane started without kwok")
    assert children(psutil.Process()) == before


@contextmanager
def running_testbed(folder: Path) -> Iterator[tuple[psutil.Process, dict[str, psutil.Process], Path]]:
    """`python -m testbed up` with its programs and its kubeconfig, once it says that it is ready.

    What it leaves behind when it is killed stays in `folder`.
    """
    command = [sys.executable, "-m", "testbed", "up", "--nodes", "1"]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        try:
            assert child.stdout is not None
            exported = child.stdout.readline()
            assert exported.startswith("export KUBECONFIG="), exported
            process = psutil.Process(child.pid)
            yield process, children(process), Path(exported.strip().removeprefix("export KUBECONFIG="))
        finally:
            child.kill()


def children(process: psutil.Process) -> dict[str, psutil.Process]:
    return {Path(child.exe()).name: child for child in process.children(recursive=True)}


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything: a container's init may leave an ended process unreaped."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.usefixtures("own_control_plane")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_runs_on_after_the_process_that_started_it(number: signal.Signals, tmp_path: Path) -> None:
    with running_testbed(tmp_path) as (parent, programs, kubeconfig):
        assert programs.keys() == PROGRAMS
        assert len(ApiClient.from_kubeconfig(kubeconfig).get("/api/v1/nodes")["items"]) == 1
        os.kill(parent.pid, number)
        wait_until(lambda: not any(map(runs, programs.values())), "all programs are gone")
        if number != signal.SIGKILL:
            wait_until(lambda: not kubeconfig.parent.exists(), "its folder is gone")
