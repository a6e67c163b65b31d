"""What a step's container is told: its configuration, its directories, its rendezvous."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.manifests.build import SCRIPT, children, environment_of, example, make_job, trainer_of
from trainwright.api.contract import StepConfiguration
from trainwright.local.site import LocalSite
from trainwright.manifests.environment import processes_per_worker, step_environment
from trainwright.manifests.site import ClusterSite

JOB = example()
HOSTS = ["digits-script-0.digits", "digits-script-1.digits"]
FACTORY = {"factory": "package.module:callable"}


def expand(value: str, known: dict[str, str]) -> str:
    """What the kubelet makes of a value: third_party/forked/golang/expansion/expand.go of Kubernetes, word for word."""
    parts, cursor = [], 0
    while cursor < len(value):
        if value[cursor] != "$" or cursor + 1 == len(value):
            parts.append(value[cursor])
            cursor += 1
        elif value[cursor + 1] == "$":
            parts.append("$")
            cursor += 2
        elif value[cursor + 1] == "(" and ")" in value[cursor + 2 :]:
            end = value.index(")", cursor + 2)
            name = value[cursor + 2 : end]
            parts.append(known.get(name, f"$({name})"))
            cursor = end + 1
        else:
            parts.append(value[cursor : cursor + 2])
            cursor += 2
    return "".join(parts)


def started(job: Any, step: Any = None, index: int = 0) -> dict[str, str]:
    """The variables as the program finds them."""
    known: dict[str, str] = {}
    for item in trainer_of(job, step)["env"]:
        known[item["name"]] = str(index) if "valueFrom" in item else expand(item["value"], known)
    return known


# The configuration.


@pytest.mark.parametrize("step", JOB.spec.steps, ids=lambda step: step.name)
def test_a_step_is_told_all_that_it_must_know(step: Any) -> None:
    configuration = StepConfiguration.model_validate_json(started(JOB, step)["TRAINWRIGHT_STEP"])
    assert configuration.step == step
    assert (configuration.job, configuration.namespace, configuration.framework) == ("digits", "ns", "pytorch")
    assert (configuration.model, configuration.data) == (JOB.spec.model, JOB.spec.data)
    assert configuration.output == f"steps/{step.name}/artifact"
    assert configuration.checkpoints == f"steps/{step.name}/checkpoints"


def test_paths_for_programs_that_only_read_variables_are_absolute() -> None:
    found = {item["name"]: item.get("value") for item in step_environment(JOB, JOB.spec.steps[1], ClusterSite(), "a/b")}
    assert found["TRAINWRIGHT_ROOT"] == "/workspace"
    assert found["TRAINWRIGHT_INPUT"] == "/workspace/a/b"
    assert found["TRAINWRIGHT_OUTPUT"] == "/workspace/steps/prune/artifact"
    assert found["TRAINWRIGHT_CHECKPOINTS"] == "/workspace/steps/prune/checkpoints"
    assert json.loads(found["TRAINWRIGHT_STEP"])["input"] == "a/b"


def test_a_step_with_nothing_to_start_from_is_not_told_of_an_input() -> None:
    assert "TRAINWRIGHT_INPUT" not in environment_of(JOB)
    assert "input" not in json.loads(environment_of(JOB)["TRAINWRIGHT_STEP"])


def test_a_null_among_the_users_arguments_stays_one() -> None:
    job = make_job(model={"factory": "m:f", "args": {"dropout": None}})
    assert json.loads(environment_of(job)["TRAINWRIGHT_STEP"])["model"]["args"] == {"dropout": None}


@given(text=st.text(alphabet='$()aTRAINWRIGHT_ROOT{}\\"', max_size=30))
def test_no_text_of_the_users_is_changed_on_its_way(text: str) -> None:
    """Kubernetes puts variables' values in the place of `$(NAME)`, and a dollar in the place of two."""
    job = make_job(data={"factory": "m:f", "args": {"text": text}})
    configuration = json.loads(started(job)["TRAINWRIGHT_STEP"])
    assert configuration["data"]["args"]["text"] == text


def test_the_index_is_known_before_it_is_referred_to() -> None:
    names = [item["name"] for item in trainer_of(JOB)["env"]]
    users = [item["name"] for item in trainer_of(JOB)["env"] if "$(TRAINWRIGHT_INDEX)" in item.get("value", "")]
    assert users
    assert all(names.index(name) > names.index("TRAINWRIGHT_INDEX") for name in users)


def test_a_worker_is_told_how_many_processes_it_has() -> None:
    job = make_job(framework="jax", workers={"replicas": 2, "processesPerWorker": 3})
    assert started(job)["TRAINWRIGHT_PROCESSES_PER_WORKER"] == "3"
    assert started(JOB, JOB.spec.steps[1])["TRAINWRIGHT_PROCESSES_PER_WORKER"] == "1"


def test_a_step_on_one_pod_is_worker_0() -> None:
    assert started(JOB, JOB.spec.steps[1], index=7)["TRAINWRIGHT_INDEX"] == "0"


# Threads.


@pytest.mark.parametrize(
    ("cpu", "processes", "threads"),
    [("4", 1, "4"), (8, 1, "8"), ("4", 2, "2"), ("3", 2, "1"), ("3500m", 1, "3"), ("250m", 1, "1"), ("2.5", 1, "2")],
)
def test_a_process_has_its_share_of_the_cpu_limit_in_threads(cpu: Any, processes: int, threads: str) -> None:
    limits = {"resources": {"limits": {"cpu": cpu}}}
    job = make_job(container=limits, workers={"replicas": 2, "processesPerWorker": processes})
    assert environment_of(job)["OMP_NUM_THREADS"] == threads


@pytest.mark.parametrize("limits", [{}, {"memory": "1Gi"}, {"cpu": "many"}, {"cpu": "NaN"}, {"cpu": ""}])
def test_without_a_cpu_limit_threads_are_the_librarys_business(limits: Any) -> None:
    assert "OMP_NUM_THREADS" not in environment_of(make_job(container={"resources": {"limits": limits}}))


def test_the_users_number_of_threads_wins() -> None:
    container = {"resources": {"limits": {"cpu": "8"}}, "env": [{"name": "OMP_NUM_THREADS", "value": "5"}]}
    assert environment_of(make_job(container=container))["OMP_NUM_THREADS"] == "5"


def test_a_limit_is_no_measure_of_a_machine_that_all_workers_share(tmp_path: Path) -> None:
    job = make_job(container={"resources": {"limits": {"cpu": "8"}}})
    names = {item["name"] for item in step_environment(job, job.spec.steps[0], LocalSite(tmp_path), None)}
    assert "OMP_NUM_THREADS" not in names


# The rendezvous.


def group(framework: str, index: int = 1, **workers: Any) -> dict[str, str]:
    return started(make_job(framework=framework, workers={"replicas": 2} | workers), index=index)


def test_an_elastic_pytorch_group_is_told_its_bounds_and_no_size() -> None:
    workers = {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}
    step = {"name": "train", "train": {}}
    parts = {"model": {"factory": "m:model"}, "data": {"factory": "m:data"}}
    told = started(make_job(steps=[step], workers=workers, **parts), index=1)
    assert {name: value for name, value in told.items() if name.startswith("PET_")} == {
        "PET_NNODES": "1:4",
        "PET_NPROC_PER_NODE": "1",
        "PET_RDZV_BACKEND": "trainwright",
        "PET_RDZV_ENDPOINT": "digits-train-0.digits:29500",
        "PET_RDZV_CONF": "expected_nodes=2,last_call_timeout=30",
    }
    assert not told.keys() & {"WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"}


def test_a_program_of_the_users_own_keeps_its_fixed_group() -> None:
    assert group("pytorch", minReplicas=1, maxReplicas=4)["WORLD_SIZE"] == "2"


def test_pytorch_is_told_by_both_generations_names() -> None:
    expected = {
        "PET_NNODES": "2",
        "PET_NPROC_PER_NODE": "1",
        "PET_NODE_RANK": "1",
        "PET_MASTER_ADDR": HOSTS[0],
        "PET_MASTER_PORT": "29500",
        "MASTER_ADDR": HOSTS[0],
        "MASTER_PORT": "29500",
        "WORLD_SIZE": "2",
        "RANK": "1",
    }
    assert expected.items() <= group("pytorch").items()


def test_world_size_counts_processes_and_rank_is_a_processs_or_not_set() -> None:
    found = group("pytorch", processesPerWorker=4)
    assert (found["WORLD_SIZE"], found["PET_NPROC_PER_NODE"], found["PET_NNODES"]) == ("8", "4", "2")
    assert not {"RANK", "LOCAL_RANK"} & found.keys()


def test_tensorflow_is_told_by_tf_config() -> None:
    assert json.loads(group("tensorflow")["TF_CONFIG"]) == {
        "cluster": {"worker": [f"{host}:2222" for host in HOSTS]},
        "task": {"type": "worker", "index": 1},
        "environment": "cloud",
    }


def test_jax_is_told_by_both_generations_names() -> None:
    expected = {
        "JAX_COORDINATOR_ADDRESS": f"{HOSTS[0]}:6666",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "1",
        "COORDINATOR_ADDRESS": HOSTS[0],
        "COORDINATOR_PORT": "6666",
        "NUM_PROCESSES": "2",
        "PROCESS_ID": "1",
    }
    assert expected.items() <= group("jax").items()


def test_several_jax_processes_a_worker_number_themselves() -> None:
    found = group("jax", processesPerWorker=2)
    assert (found["JAX_NUM_PROCESSES"], found["NUM_PROCESSES"]) == ("4", "4")
    assert not {"JAX_PROCESS_ID", "PROCESS_ID"} & found.keys()


def test_a_step_on_one_pod_meets_itself_where_it_is() -> None:
    """The pod of a Job that is not indexed has no host name of its own."""
    job = make_job(steps=[{"name": "once", "run": {"command": ["x"], "distributed": False}}], workers={"replicas": 3})
    found = started(job)
    assert (found["MASTER_ADDR"], found["WORLD_SIZE"], found["RANK"], found["PET_NNODES"]) == (
        "127.0.0.1",
        "1",
        "0",
        "1",
    )


@pytest.mark.parametrize(
    ("framework", "count", "limits", "processes"),
    [
        ("pytorch", "auto", None, 1),
        ("pytorch", "auto", {"cpu": "64", "memory": "1Ti"}, 1),
        ("pytorch", "auto", {"nvidia.com/gpu": "8"}, 8),
        ("pytorch", "auto", {"nvidia.com/gpu": 4}, 4),
        ("pytorch", "auto", {"amd.com/gpu": "2"}, 2),
        ("pytorch", "auto", {"nvidia.com/mig-1g.5gb": "3"}, 3),
        ("pytorch", "auto", {"nvidia.com/gpu": "0"}, 1),
        ("pytorch", "auto", {"nvidia.com/gpu": "many"}, 1),
        ("pytorch", 2, {"nvidia.com/gpu": "8"}, 2),
        ("tensorflow", "auto", {"nvidia.com/gpu": "8"}, 1),
        ("jax", "auto", {"nvidia.com/gpu": "8"}, 1),
    ],
)
def test_processes_a_worker(framework: str, count: Any, limits: Any, processes: int) -> None:
    job = make_job(
        framework=framework, container={"resources": {"limits": limits}}, workers={"processesPerWorker": count}
    )
    assert processes_per_worker(job) == processes


def test_a_step_on_one_pod_has_one_process() -> None:
    job = make_job(
        steps=[SCRIPT | {"run": {"command": ["x"], "distributed": False}}], workers={"processesPerWorker": 4}
    )
    assert environment_of(job)["WORLD_SIZE"] == "1"


def test_roles_of_a_tensorflow_program_share_one_cluster_and_the_step_ends_with_the_first() -> None:
    step = {"name": "script", "run": {"command": ["./fit", "$(TRAINWRIGHT_ROOT)"], "roles": {"ps": 1, "evaluator": 1}}}
    job = make_job(framework="tensorflow", workers={"replicas": 4}, steps=[step])
    variables = started(job)
    assert json.loads(variables["TRAINWRIGHT_TF_CLUSTER"]) == {
        "worker": ["digits-script-0.digits:2222", "digits-script-1.digits:2222"],
        "ps": ["digits-script-2.digits:2222"],
    }
    assert "TF_CONFIG" not in variables
    assert trainer_of(job)["command"][-2:] == ["./fit", "$(TRAINWRIGHT_ROOT)"]
    assert children(job)["Job"]["spec"]["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert "successPolicy" not in children(make_job(framework="tensorflow"))["Job"]["spec"]


def _told_to_each(framework: str, roles: dict[str, int], **workers: int) -> list[dict[str, str]]:
    """The environment in which each worker's program finds itself, by index."""
    step = {"name": "script", "run": {"command": ["env", "-0"], "roles": roles}}
    job = make_job(framework=framework, workers=workers, steps=[step])
    found = []
    for index in range(workers["replicas"]):
        known = started(job, index=index)
        command = [expand(word, known) for word in trainer_of(job)["command"]]
        said = subprocess.run(command, env=known | {"PATH": os.defpath}, capture_output=True, text=True, check=True)
        found.append(dict(line.split("=", 1) for line in said.stdout.split("\0") if line))
    return found


def test_each_pod_finds_its_role_by_its_index() -> None:
    found = [
        json.loads(told["TF_CONFIG"])["task"] for told in _told_to_each("tensorflow", {"chief": 1, "ps": 1}, replicas=3)
    ]
    assert found == [{"type": role, "index": 0} for role in ("chief", "worker", "ps")]


def test_each_pod_of_an_mxnet_program_is_a_worker_the_scheduler_or_a_server() -> None:
    found = _told_to_each("mxnet", {"scheduler": 1, "server": 2}, replicas=5)
    tasks = [("worker", 0), ("worker", 1), ("scheduler", 0), ("server", 0), ("server", 1)]
    assert [told["DMLC_ROLE"] for told in found] == [role for role, _ in tasks]
    host = "digits-script-{}.digits"
    places = [{"url": host.format(index), "port": 9091} for index in range(5)]
    for told, (role, number) in zip(found, tasks, strict=True):
        assert json.loads(told["MX_CONFIG"]) == {
            "cluster": {"scheduler": places[2:3], "server": places[3:], "worker": places[:2]},
            "labels": {"scheduler": "", "server": "", "worker": ""},
            "task": {"type": role, "index": number},
        }
        assert (told["DMLC_PS_ROOT_URI"], told["DMLC_PS_ROOT_PORT"]) == (host.format(2), "9091")
        assert (told["DMLC_NUM_SERVER"], told["DMLC_NUM_WORKER"]) == ("2", "2")
        numbers = {name: value for name, value in told.items() if name in ("DMLC_WORKER_ID", "DMLC_SERVER_ID")}
        assert numbers == ({f"DMLC_{role.upper()}_ID": str(number)} if role != "scheduler" else {})


def test_servers_of_a_training_run_beside_the_first_workers() -> None:
    train = {"name": "train", "train": {"collectives": {"servers": 2}}}
    told = started(make_job(framework="mxnet", steps=[train], workers={"replicas": 3}, model=FACTORY, data=FACTORY))
    assert (told["DMLC_NUM_SERVER"], told["DMLC_NUM_WORKER"]) == ("2", "3")
    places = [{"url": f"digits-train-{index}.digits", "port": 9091} for index in range(3)]
    cluster = json.loads(told["MX_CONFIG"])["cluster"]
    assert cluster == {"scheduler": places[:1], "server": places[:2], "worker": places}


def test_several_processes_of_an_mxnet_worker_are_counted_and_number_themselves() -> None:
    worker, *_ = _told_to_each("mxnet", {"scheduler": 1, "server": 1}, replicas=4, processesPerWorker=3)
    assert worker["DMLC_NUM_WORKER"] == "6"
    assert "DMLC_WORKER_ID" not in worker


def test_an_mxnet_program_with_roles_is_done_when_all_its_workers_are() -> None:
    step = {"name": "script", "run": {"command": ["./fit"], "roles": {"scheduler": 1, "server": 1}}}
    job = make_job(framework="mxnet", workers={"replicas": 4}, steps=[step])
    assert children(job)["Job"]["spec"]["successPolicy"] == {"rules": [{"succeededIndexes": "0-1"}]}
