"""TensorFlow: TF_CONFIG.

Source: https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
"""

import json

from trainwright.manifests.rendezvous.group import INDEX, Group


def environment(group: Group) -> dict[str, str]:
    """A cluster of workers; worker 0 is the chief, as TensorFlow takes it where no task is named so."""
    workers = [f"{endpoint.host}:{endpoint.port}" for endpoint in group.endpoints]
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": "INDEX"}, "environment": "cloud"}
    return {"TF_CONFIG": json.dumps(config).replace('"INDEX"', INDEX)}
