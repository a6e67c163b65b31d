"""A TensorFlow program of a user's own with a chief, a worker, a parameter server and an evaluator, each in a pod."""

import json

from testbed import wait_until
from tests.node.jobs import EXAMPLES, Jobs, example

NOTING = 'echo "$TF_CONFIG" > "$TRAINWRIGHT_ROOT/task-$TRAINWRIGHT_INDEX.json"; exec python -c "$0"'
"""Keeps what a pod is told, for the pods that serve the chief are deleted with their logs."""
TASKS = [("chief", 0), ("worker", 0), ("ps", 0), ("evaluator", 0)]
"""By the pods' indices."""


def test_each_role_of_a_tensorflow_program_has_a_pod_and_the_chief_ends_them(jobs: Jobs) -> None:
    body = example("own-tensorflow-program")
    name = body["metadata"]["name"]
    program = (EXAMPLES / "own_tensorflow_program.py").read_text()
    body["spec"]["steps"][0]["run"]["command"] = ["sh", "-c", NOTING, program]  # no image has it
    jobs.apply(body)
    assert jobs.wait(name, "Complete")["restarts"] == 0
    told = [json.loads((jobs.storage(name) / f"task-{index}.json").read_text()) for index in range(len(TASKS))]
    assert [(config["task"]["type"], config["task"]["index"]) for config in told] == TASKS
    assert told[0]["cluster"].keys() == {"chief", "worker", "ps"}
    assert all(config["cluster"] == told[0]["cluster"] for config in told)
    chief = jobs.pods(name)[0]
    assert "slope 3.0" in jobs.log(chief), "it reached the worker and the parameter server"
    wait_until(lambda: not jobs.live_pods(name), "the pods that served the chief are gone")
