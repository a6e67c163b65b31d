"""A user's own programs as steps: what they are given, and in what order they run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.runs import Run, manifest, python_step
from trainwright.api.loading import read_manifests

Start = Callable[..., Run]

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"


def test_steps_run_in_order_and_the_object_is_left_with_its_status(start: Start) -> None:
    run = start(manifest([python_step("one", "print('first')"), python_step("two", "print('second')")]))
    assert run.wait() == 0, run.said
    assert run.said.index("step one is done") < run.said.index("step two begins")
    body = json.loads((run.output / "trainingjob.json").read_text())
    assert body["status"]["phase"] == "Complete"
    assert [step["state"] for step in body["status"]["steps"]] == ["Succeeded", "Succeeded"]
    assert (run.output / "logs" / "job-one-0.log").read_text() == "first\n"
    assert (run.output / "logs" / "job-two-0.log").read_text() == "second\n"


def test_each_worker_has_its_rank_and_the_rendezvous_of_both_kubeflow_generations(start: Start) -> None:
    names = "RANK WORLD_SIZE MASTER_ADDR PET_NODE_RANK PET_NNODES PET_MASTER_ADDR TRAINWRIGHT_INDEX"
    program = f"import os, json; print(json.dumps({{n: os.environ[n] for n in '{names}'.split()}}))"
    run = start(manifest([python_step("env", program, distributed=True)], workers={"replicas": 2}))
    assert run.wait() == 0, run.said
    seen = [json.loads((run.output / "logs" / f"job-env-{index}.log").read_text()) for index in (0, 1)]
    for index, variables in enumerate(seen):
        assert variables == {
            "RANK": str(index),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "PET_NODE_RANK": str(index),
            "PET_NNODES": "2",
            "PET_MASTER_ADDR": "127.0.0.1",
            "TRAINWRIGHT_INDEX": str(index),
        }


PROGRAM = """
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
total = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(total)
print("rank", dist.get_rank(), "sees", total.item(), flush=True)
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["python", "torchrun"])
def test_plain_torch_distributed_program_runs_unchanged(start: Start, tmp_path: Path, launcher: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    step = {"name": "own", "run": {"command": [launcher, "program.py"]}}
    run = start(manifest([step], workers={"replicas": 2}))
    assert run.wait() == 0, run.said
    for index in (0, 1):
        assert f"rank {index} sees 3.0" in (run.output / "logs" / f"job-own-{index}.log").read_text()


def test_result_that_a_program_writes_is_held_to_the_gate(start: Start) -> None:
    program = (
        "import json, os, pathlib\n"
        "result = {'outcome': 'Succeeded', 'metrics': {'accuracy': 0.5}}\n"
        "pathlib.Path(os.environ['TRAINWRIGHT_TERMINATION_LOG']).write_text(json.dumps(result))\n"
    )
    step = python_step("own", program) | {"gate": {"accuracy": {"threshold": 0.9}}}
    run = start(manifest([step]))
    assert run.wait() == 1
    assert "accuracy 0.5 is not at least 0.9" in run.said
    assert "GateMissed" in run.said


def test_tensorflow_program_has_its_roles_and_ends_with_its_chief(start: Start, tmp_path: Path) -> None:
    program = (
        "import json, os, time\n"
        "config = json.loads(os.environ['TF_CONFIG'])\n"
        "print(json.dumps(config), flush=True)\n"
        "time.sleep(3600 if config['task']['type'] in ('ps', 'worker') else 0.5)\n"
    )
    step = python_step("own", program, distributed=True)
    step["run"]["roles"] = {"chief": 1, "ps": 1, "evaluator": 1}
    run = start(manifest([step], framework="tensorflow", workers={"replicas": 5}))
    assert run.wait(60) == 0, run.said
    seen = [json.loads((run.output / "logs" / f"job-own-{index}.log").read_text()) for index in range(5)]
    tasks = [("chief", 0), ("worker", 0), ("worker", 1), ("ps", 0), ("evaluator", 0)]
    assert [(config["task"]["type"], config["task"]["index"]) for config in seen] == tasks
    assert {json.dumps(config["cluster"]) for config in seen} == {json.dumps(seen[0]["cluster"])}
    cluster = seen[0]["cluster"]
    assert {role: len(addresses) for role, addresses in cluster.items()} == {"chief": 1, "worker": 2, "ps": 1}
    assert len({address for addresses in cluster.values() for address in addresses}) == 4


@pytest.mark.slow
def test_example_of_parameter_servers_trains(start: Start) -> None:
    (body,) = read_manifests(EXAMPLES / "own-tensorflow-program.yaml")
    body["spec"]["steps"][0]["run"]["command"] = ["python", str(EXAMPLES / "own_tensorflow_program.py")]
    run = start(body)
    assert run.wait(300) == 0, run.said
    assert "slope 3.0" in (run.output / "logs" / "own-tensorflow-servers-0.log").read_text()
