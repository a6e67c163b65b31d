"""The user's template with our container in it: what the step needs wins, then the user's words."""

from typing import Any

import pytest

from tests.manifests.build import SCRIPT, Object, children, example, make_job, pod_of, trainer_of
from tests.manifests.models import mistakes

CONTEXT_OF_A_PROFILE = {"type": "RuntimeDefault"}


# What is the user's.


@pytest.mark.parametrize(
    "words",
    [
        {"nodeSelector": {"gpu": "a100"}},
        {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
        {"affinity": {"nodeAffinity": {}}},
        {"imagePullSecrets": [{"name": "registry"}]},
        {"terminationGracePeriodSeconds": 600},
        {"serviceAccountName": "reader", "automountServiceAccountToken": True},
        {"runtimeClassName": "nvidia"},
    ],
    ids=lambda words: next(iter(words)),
)
def test_what_the_step_does_not_need_is_the_users(words: Object) -> None:
    assert words.items() <= pod_of(make_job(pod=words)).items()


@pytest.mark.parametrize(
    "words",
    [
        {"resources": {"limits": {"nvidia.com/gpu": "2"}}},
        {"imagePullPolicy": "Never"},
        {"workingDir": "/src"},
        {"envFrom": [{"secretRef": {"name": "s3"}}]},
        {"image": "mine"},
    ],
    ids=lambda words: next(iter(words)),
)
def test_the_users_part_of_the_trainer_is_kept(words: Object) -> None:
    assert words.items() <= trainer_of(make_job(container=words)).items()


def test_the_users_variables_volumes_ports_and_mounts_stand_beside_ours() -> None:
    job = make_job(
        container={
            "env": [{"name": "NCCL_DEBUG", "value": "INFO"}],
            "ports": [{"containerPort": 6006}],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        },
        pod={"volumes": [{"name": "data", "emptyDir": {}}]},
    )
    pod, trainer = pod_of(job), trainer_of(job)
    assert {"name": "NCCL_DEBUG", "value": "INFO"} in trainer["env"]
    assert [port["containerPort"] for port in trainer["ports"]] == [9464, 6006]
    assert {mount["mountPath"] for mount in trainer["volumeMounts"]} == {"/workspace", "/dev/shm", "/tmp", "/data"}
    assert {volume["name"] for volume in pod["volumes"]} == {
        "trainwright-storage",
        "trainwright-shm",
        "trainwright-tmp",
        "data",
    }
    assert mistakes(pod, "V1PodSpec") == []


def test_the_users_variables_can_refer_to_ours() -> None:
    job = make_job(container={"env": [{"name": "LOGS", "value": "$(TRAINWRIGHT_OUTPUT)/logs"}]})
    names = [item["name"] for item in trainer_of(job)["env"]]
    assert names.index("LOGS") > names.index("TRAINWRIGHT_OUTPUT")


def test_a_user_who_mounts_a_shared_memory_of_a_size_gets_it() -> None:
    job = make_job(
        container={"volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]},
        pod={"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}]},
    )
    mounts = [mount for mount in trainer_of(job)["volumeMounts"] if mount["mountPath"] == "/dev/shm"]
    assert mounts == [{"name": "shm", "mountPath": "/dev/shm"}]
    assert "trainwright-shm" not in {volume["name"] for volume in pod_of(job)["volumes"]}


def test_shared_memory_is_not_limited_to_dockers_64_mebibytes() -> None:
    (volume,) = (item for item in pod_of(make_job())["volumes"] if item["name"] == "trainwright-shm")
    assert volume["emptyDir"] == {"medium": "Memory"}


def test_sidecars_and_beginners_come_along() -> None:
    job = make_job(
        container={},
        pod={"containers": [{"name": "logs", "image": "tail"}], "initContainers": [{"name": "get", "image": "curl"}]},
    )
    pod = pod_of(job)
    assert [item["name"] for item in pod["containers"]] == ["trainer", "logs"]
    assert [item["name"] for item in pod["initContainers"]] == ["get"]


def test_labels_and_annotations_of_the_user_are_kept() -> None:
    workers = {"template": {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}}}
    metadata = children(make_job(workers=workers))["Job"]["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"] == {"note": "b"}


def test_what_is_empty_in_yaml_is_as_if_it_were_not_there() -> None:
    """`env:` with nothing behind it is a null; in the open part of the object it stays one."""
    job = make_job(
        container={"env": None, "ports": None, "volumeMounts": None, "resources": None, "securityContext": None},
        pod={"volumes": None, "initContainers": None, "securityContext": None},
    )
    bare = make_job(container={})
    assert trainer_of(job)["env"] == trainer_of(bare)["env"]
    assert pod_of(job)["volumes"] == pod_of(bare)["volumes"]
    assert mistakes(trainer_of(job) | {"resources": {}}, "V1Container") == []


# What is ours.


def test_nothing_that_a_step_needs_can_be_replaced() -> None:
    intruder = {"name": "TRAINWRIGHT_STEP", "value": "{}"}
    job = make_job(
        container={
            "env": [intruder, {"name": "RANK", "value": "9"}],
            "volumeMounts": [{"name": "mine", "mountPath": "/workspace"}],
            "ports": [{"name": "mine", "containerPort": 9464}],
            "terminationMessagePath": "/elsewhere",
            "terminationMessagePolicy": "FallbackToLogsOnError",
        },
        pod={
            "restartPolicy": "OnFailure",
            "subdomain": "elsewhere",
            "enableServiceLinks": True,
            "volumes": [{"name": "trainwright-storage", "emptyDir": {}}],
        },
    )
    plain, pod, trainer = trainer_of(make_job()), pod_of(job), trainer_of(job)
    assert trainer["env"] == plain["env"]
    assert trainer["volumeMounts"] == plain["volumeMounts"]
    assert trainer["ports"] == plain["ports"]
    assert (trainer["terminationMessagePath"], trainer["terminationMessagePolicy"]) == ("/dev/termination-log", "File")
    assert (pod["restartPolicy"], pod["subdomain"], pod["enableServiceLinks"]) == ("Never", "digits", False)
    assert pod["volumes"] == pod_of(make_job())["volumes"]


def test_our_labels_can_not_be_taken_away() -> None:
    workers = {"template": {"metadata": {"labels": {"trainwright.dev/step": "other", "trainwright.dev/attempt": "9"}}}}
    labels = children(make_job(workers=workers))["Job"]["spec"]["template"]["metadata"]["labels"]
    assert (labels["trainwright.dev/step"], labels["trainwright.dev/attempt"]) == ("script", "1")


def test_names_within_a_list_stand_once() -> None:
    job = make_job(container={"env": [{"name": "WORLD_SIZE", "value": "7"}, {"name": "A", "value": "b"}]})
    for key, items in (
        ("name", trainer_of(job)["env"]),
        ("mountPath", trainer_of(job)["volumeMounts"]),
        ("name", pod_of(job)["volumes"]),
    ):
        found = [item[key] for item in items]
        assert len(found) == len(set(found))


def test_a_trainers_step_runs_the_frameworks_trainer() -> None:
    job = example()
    assert trainer_of(job)["command"] == ["python", "-m", "trainwright_trainers.pytorch"]
    assert trainer_of(job)["image"] == "trainwright/pytorch:latest"


@pytest.mark.parametrize(
    ("run", "container", "image"),
    [
        ({}, None, "trainwright/pytorch:latest"),
        ({}, {"image": "users"}, "users"),
        ({"image": "steps"}, {"image": "users"}, "steps"),
    ],
)
def test_a_run_step_runs_the_users_command_in_the_nearest_image(run: Object, container: Any, image: str) -> None:
    step = {"name": "script", "run": {"command": ["./script", "--fast"]} | run}
    trainer = trainer_of(make_job(container=container, steps=[step]))
    assert (trainer["command"], trainer["image"]) == (["./script", "--fast"], image)


# Scheduling.


@pytest.mark.parametrize(
    ("scheduling", "template", "scheduler"),
    [
        ({}, {}, None),
        ({}, {"schedulerName": "users"}, "users"),
        ({"gang": "volcano"}, {}, "volcano"),
        ({"gang": "coscheduling"}, {}, "scheduler-plugins-scheduler"),
        ({"gang": "volcano"}, {"schedulerName": "users"}, "users"),
        ({"gang": "volcano", "schedulerName": "named"}, {"schedulerName": "users"}, "named"),
    ],
)
def test_the_scheduler_that_is_named_most_plainly_is_taken(
    scheduling: Object, template: Object, scheduler: str | None
) -> None:
    assert pod_of(make_job(pod=template, scheduling=scheduling)).get("schedulerName") == scheduler


def test_the_priority_class_is_set_on_the_pods() -> None:
    assert pod_of(make_job(scheduling={"priorityClassName": "high"}))["priorityClassName"] == "high"
    assert pod_of(make_job(pod={"priorityClassName": "low"}))["priorityClassName"] == "low"


# The restricted Pod Security Standard.


def violations(pod: Object) -> list[str]:
    """All that https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted would refuse."""
    of_pod = pod.get("securityContext") or {}
    found = [field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)]
    found += [f"volume {item['name']}" for item in pod["volumes"] if not _ALLOWED_VOLUMES & item.keys()]
    if of_pod.get("sysctls") or of_pod.get("seLinuxOptions"):
        found.append("sysctls or SELinux options")
    for item in (*pod["containers"], *pod.get("initContainers", ())):
        context = of_pod | item["securityContext"]
        checks = {
            "privileged": not context.get("privileged"),
            "procMount": context.get("procMount", "Default") == "Default",
            "hostPort": not any(port.get("hostPort") for port in item.get("ports", ())),
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser") != 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "allowPrivilegeEscalation": item["securityContext"].get("allowPrivilegeEscalation") is False,
            "capabilities": item["securityContext"].get("capabilities", {}).get("drop") == ["ALL"]
            and set(item["securityContext"]["capabilities"].get("add", ())) <= {"NET_BIND_SERVICE"},
        }
        found += [f"{item['name']}: {check}" for check, holds in checks.items() if not holds]
    return found


_ALLOWED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
}


@pytest.mark.parametrize("step", example().spec.steps, ids=lambda step: step.name)
def test_every_step_of_the_example_is_restricted(step: Any) -> None:
    pod = pod_of(example(), step)
    assert violations(pod) == []
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_users_sidecars_are_restricted_too() -> None:
    pod = {"containers": [{"name": "logs", "image": "tail"}], "initContainers": [{"name": "get", "image": "curl"}]}
    assert violations(pod_of(make_job(pod=pod))) == []


def test_a_user_who_changes_one_field_keeps_the_others() -> None:
    job = make_job(
        container={"securityContext": {"readOnlyRootFilesystem": False}},
        pod={
            "securityContext": {"runAsUser": 1000, "supplementalGroups": [7]},
            "containers": [{"name": "logs", "image": "tail", "securityContext": {"runAsUser": 1001}}],
        },
    )
    pod = pod_of(job)
    assert violations(pod) == []
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["securityContext"]["supplementalGroups"] == [7]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False
    assert pod["containers"][1]["securityContext"]["runAsUser"] == 1001


def test_a_user_who_wants_more_than_restricted_gets_it() -> None:
    job = make_job(
        container={"securityContext": {"capabilities": {"add": ["IPC_LOCK"]}}},
        pod={"securityContext": {"runAsNonRoot": False, "runAsUser": 0}},
        steps=[SCRIPT],
    )
    assert violations(pod_of(job)) == ["trainer: runAsNonRoot", "trainer: runAsUser", "trainer: capabilities"]
