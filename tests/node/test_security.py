"""What a job's pods may do and see on the cluster."""

import json

from tests.node.jobs import Jobs, training, with_trainer

LOOK = """
import json, os, pathlib
shm = os.statvfs("/dev/shm")
seen = {
    "token": pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount").exists(),
    "shm": shm.f_bavail * shm.f_frsize,
    "user": os.getuid(),
    "groups": os.getgroups(),
    "capabilities": next(l for l in open("/proc/self/status") if l.startswith("CapEff")).split()[1],
    "services": sorted(name for name in os.environ if name.endswith("_SERVICE_HOST")),
}
try:
    pathlib.Path("/etc/written").touch()
    seen["root"] = "writable"
except OSError as error:
    seen["root"] = error.strerror
pathlib.Path("/tmp/written").touch()
pathlib.Path(os.environ["TRAINWRIGHT_ROOT"], "seen.json").write_text(json.dumps(seen))
"""


def test_what_a_pod_has_and_has_not(jobs: Jobs) -> None:
    step = {"name": "look", "run": {"command": ["python", "-c", LOOK]}}
    jobs.apply(training("looker", 1, replicas=1, steps=[step]))
    jobs.wait("looker", "Complete")
    seen = json.loads((jobs.storage("looker") / "seen.json").read_text())
    assert seen.pop("shm") >= 1 << 30
    assert seen == {
        "token": False,
        "user": 65532,
        "groups": [65532],
        "capabilities": "0" * 16,
        "services": ["KUBERNETES_SERVICE_HOST"],
        "root": "Read-only file system",
    }
    policy = f"/apis/networking.k8s.io/v1/namespaces/{jobs.namespace}/networkpolicies/looker"
    assert jobs.client.get(policy)["spec"]["podSelector"]["matchLabels"] == {"trainwright.dev/job-name": "looker"}


def test_a_job_can_not_name_things_in_another_namespace(jobs: Jobs) -> None:
    """Claims, configuration and secrets are named without a namespace: another's is one that is not there."""
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"WORD": "secret"}}
    jobs.client.post("/api/v1/namespaces/default/configmaps", other)
    try:
        template = with_trainer(envFrom=[{"configMapRef": {"name": "theirs"}}])
        jobs.apply(training("curious", 1, workers={"replicas": 1, "template": template}))
        assert 'configmap "theirs" not found' in jobs.why_not_running("curious", "theirs")
    finally:
        jobs.client.delete("/api/v1/namespaces/default/configmaps/theirs")
