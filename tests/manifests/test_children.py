"""The objects that a step needs, of which kinds, under which names, owned by whom."""

from typing import Any

import pytest

from tests.manifests.build import SCRIPT, UID, Object, children, example, make_job
from tests.manifests.models import mistakes
from trainwright.manifests.children import step_children
from trainwright.manifests.site import ClusterSite

JOB = example()
MODELS = {
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "Service": "V1Service",
    "NetworkPolicy": "V1NetworkPolicy",
    "Job": "V1Job",
}


@pytest.mark.parametrize("step", JOB.spec.steps, ids=lambda step: step.name)
def test_the_example_makes_objects_that_kubernetes_knows(step: Any) -> None:
    made = children(JOB, step)
    assert list(made) == list(MODELS)
    for kind, body in made.items():
        assert mistakes(body, MODELS[kind]) == []


def test_the_models_find_mistakes() -> None:
    body = children(JOB)["Job"]
    body["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["subpath"] = "x"
    body["spec"]["parallelism"] = "2"
    del body["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"]
    assert mistakes(body, "V1Job") == [
        "spec.parallelism",
        "spec.template.spec.containers.0.env.0.name",
        "spec.template.spec.containers.0.volumeMounts.0.subpath",
    ]


@pytest.mark.parametrize("step", JOB.spec.steps, ids=lambda step: step.name)
def test_all_is_owned_by_the_job_and_goes_with_it(step: Any) -> None:
    for body in children(JOB, step).values():
        metadata = body["metadata"]
        assert metadata["namespace"] == "ns"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "trainwright"
        assert metadata["labels"]["trainwright.dev/job-name"] == "digits"
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "trainwright.dev/v1alpha1",
                "kind": "TrainingJob",
                "name": "digits",
                "uid": UID,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


def test_a_distributed_step_is_an_indexed_job_with_a_pod_a_worker() -> None:
    body = children(JOB, JOB.spec.steps[0])["Job"]
    spec = body["spec"]
    assert body["metadata"]["name"] == "digits-train"
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)


def test_another_step_is_a_job_with_one_pod() -> None:
    spec = children(JOB, JOB.spec.steps[1])["Job"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("NonIndexed", 1, 1)


def test_one_failed_worker_ends_the_group_and_the_condition_says_how() -> None:
    spec = children(JOB)["Job"]["spec"]
    assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (0, "Failed")
    disruption, exits = spec["podFailurePolicy"]["rules"]
    assert disruption["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert exits["onExitCodes"] == {"containerName": "trainer", "operator": "NotIn", "values": [0]}
    assert {disruption["action"], exits["action"]} == {"FailJob"}
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


TRAIN = {"name": "train", "train": {}}
MODEL_AND_DATA = {"model": {"factory": "m:model"}, "data": {"factory": "m:data"}}


def elastic_spec(step: Any = TRAIN, **spec: Any) -> dict[str, Any]:
    workers = {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}
    return children(make_job(**MODEL_AND_DATA | {"steps": [step], "workers": workers} | spec))["Job"]


def test_an_elastic_groups_job_says_its_bounds_and_lets_workers_go() -> None:
    body = elastic_spec()
    assert body["metadata"]["labels"]["trainwright.dev/elastic"] == "1-4"
    _, exits = body["spec"]["podFailurePolicy"]["rules"]
    assert exits["onExitCodes"]["values"] == [0, 143]
    assert body["spec"]["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}


@pytest.mark.parametrize(
    "other",
    [
        {"step": SCRIPT},
        {"step": {"name": "script", "run": {"command": ["./script"], "distributed": False}}},
        {"workers": {"replicas": 2}},
        {"scheduling": {"queueName": "team-a"}},
        {"scheduling": {"gang": "volcano"}},
    ],
    ids=str,
)
def test_all_other_groups_keep_their_size(other: dict[str, Any]) -> None:
    body = elastic_spec(**other)
    assert "trainwright.dev/elastic" not in body["metadata"]["labels"]
    assert "successPolicy" not in body["spec"]


def test_pods_find_each_other_before_they_are_ready() -> None:
    made = children(JOB)
    service, template = made["Service"], made["Job"]["spec"]["template"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert template["spec"]["subdomain"] == service["metadata"]["name"] == "digits"


def test_pods_reach_their_own_job_and_names_and_nothing_else() -> None:
    made = children(JOB)
    spec = made["NetworkPolicy"]["spec"]
    own = {"podSelector": {"matchLabels": {"trainwright.dev/job-name": "digits"}}}
    assert own["podSelector"]["matchLabels"].items() <= made["Job"]["spec"]["template"]["metadata"]["labels"].items()
    assert spec == {
        **own,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [own]}, {"ports": [{"protocol": "TCP", "port": 9464}]}],
        "egress": [
            {"to": [own]},
            {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
        ],
    }


def test_a_site_may_leave_the_network_open() -> None:
    made = step_children(JOB, JOB.spec.steps[0], 1, None, ClusterSite(isolated=False))
    assert "NetworkPolicy" not in {body["kind"] for body in made}


def test_a_pod_says_to_which_attempt_it_belongs_where_nobody_can_change_it() -> None:
    labels = children(JOB)["Job"]["spec"]["template"]["metadata"]["labels"]
    assert labels == {
        "trainwright.dev/job-name": "digits",
        "trainwright.dev/step": "train",
        "trainwright.dev/attempt": "1",
        "trainwright.dev/replica-type": "worker",
    }


def test_a_pods_name_is_never_longer_than_a_host_name_may_be() -> None:
    longest = make_job(steps=[SCRIPT | {"name": "s" * 16}], workers={"replicas": 1000})
    longest = longest.model_copy(update={"metadata": longest.metadata.model_copy(update={"name": "j" * 40})})
    assert len(children(longest)["Job"]["metadata"]["name"] + "-999") <= 63


def test_a_job_in_a_queue_waits_until_its_queue_lets_it_go() -> None:
    body = children(make_job(scheduling={"queueName": "team-a"}))["Job"]
    assert body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert body["spec"]["suspend"] is True
    assert "suspend" not in children(make_job())["Job"]["spec"]


# Storage.


def claim(storage: Object, replicas: int = 1, **workers: int) -> Object:
    return children(make_job(storage=storage, workers={"replicas": replicas} | workers))["PersistentVolumeClaim"][
        "spec"
    ]


@pytest.mark.parametrize(
    ("storage", "workers", "modes"),
    [
        ({}, {}, ["ReadWriteOnce"]),
        ({}, {"replicas": 2}, ["ReadWriteMany"]),
        ({}, {"minReplicas": 1, "maxReplicas": 4}, ["ReadWriteMany"]),
        ({"accessModes": ["ReadWriteOnce"]}, {"replicas": 2}, ["ReadWriteOnce"]),
    ],
)
def test_a_group_of_several_pods_needs_a_claim_that_many_can_write(
    storage: Object, workers: dict[str, int], modes: list[str]
) -> None:
    assert claim(storage, **workers)["accessModes"] == modes


def test_the_claim_has_the_size_and_class_that_the_user_says() -> None:
    assert claim({"size": "20Gi", "storageClassName": "fast"}) == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "20Gi"}},
        "storageClassName": "fast",
    }
    assert claim({})["resources"]["requests"] == {"storage": "10Gi"}
    assert "storageClassName" not in claim({})


def _storage(job: Any) -> tuple[str, str]:
    pod = children(job)["Job"]["spec"]["template"]["spec"]
    volume = next(volume for volume in pod["volumes"] if volume["name"] == "trainwright-storage")
    mount = next(item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "trainwright-storage")
    assert mount["mountPath"] == "/workspace"
    return volume["persistentVolumeClaim"]["claimName"], mount["subPath"]


def test_a_claim_of_the_jobs_own_is_made_and_mounted() -> None:
    assert children(make_job())["PersistentVolumeClaim"]["metadata"]["name"] == "digits"
    assert _storage(make_job()) == ("digits", "digits")


def test_an_existing_claim_is_not_made_and_has_a_folder_for_this_very_object() -> None:
    """A job that is made anew under the same name must not go on from the old one's checkpoints."""
    job = make_job(storage={"claimName": "shared"})
    assert "PersistentVolumeClaim" not in children(job)
    assert _storage(job) == ("shared", "digits-a1b2c3d4")
    anew = job.model_copy(update={"metadata": job.metadata.model_copy(update={"uid": "ffff0000-1"})})
    assert _storage(anew) == ("shared", "digits-ffff0000")
