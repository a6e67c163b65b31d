"""TensorFlow: TF_CONFIG.

Source: https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
"""

import json

from trainwright.manifests.rendezvous.group import INDEX, Group

CLUSTER_VARIABLE = "TRAINWRIGHT_TF_CLUSTER"
"""Holds TF_CONFIG's cluster where the workers have roles, and each makes its own TF_CONFIG with it."""

TELL_TASK = (
    r'export TF_CONFIG="{\"cluster\": ' + f"${CLUSTER_VARIABLE}" + r", \"task\": {\"type\": \"$role\", \"index\":"
    r' $number}, \"environment\": \"cloud\"}"'
)
"""Shell that tells the program its `$role` and `$number`."""


def environment(group: Group) -> dict[str, str]:
    """A cluster of workers; worker 0 is the chief, as TensorFlow takes it where no task is named so."""
    if group.tasks:
        return {CLUSTER_VARIABLE: json.dumps(_by_role(group))}
    workers = [f"{endpoint.host}:{endpoint.port}" for endpoint in group.endpoints]
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": "INDEX"}, "environment": "cloud"}
    return {"TF_CONFIG": json.dumps(config).replace('"INDEX"', INDEX)}


def _by_role(group: Group) -> dict[str, list[str]]:
    """Where the tasks of each role listen; nobody calls the evaluator."""
    cluster: dict[str, list[str]] = {}
    for task, endpoint in zip(group.tasks, group.endpoints, strict=True):
        if task.role != "evaluator":
            cluster.setdefault(task.role, []).append(f"{endpoint.host}:{endpoint.port}")
    return cluster
