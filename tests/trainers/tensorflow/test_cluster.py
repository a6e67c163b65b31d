"""What TF_CONFIG means to the trainer."""

import json

import pytest

from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.tensorflow.cluster import cluster_of

TWO_PODS = {
    "TF_CONFIG": json.dumps(
        {"cluster": {"worker": ["a-0.a:2222", "a-1.a:2222"]}, "task": {"type": "worker", "index": 1}}
    )
}


def test_a_pod_is_a_process() -> None:
    cluster = cluster_of(TWO_PODS)
    assert cluster.processes == ("a-0.a:2222", "a-1.a:2222")
    assert cluster.first_host == "a-0.a"
    assert json.loads(cluster.configuration_of(1))["task"] == {"type": "worker", "index": 1}


def test_several_processes_of_a_pod_listen_on_ports_of_their_own() -> None:
    cluster = cluster_of(TWO_PODS | {"TRAINWRIGHT_PROCESSES_PER_WORKER": "2"})
    assert cluster.processes == ("a-0.a:2222", "a-0.a:2223", "a-1.a:2222", "a-1.a:2223")


def test_a_process_without_tf_config_is_alone() -> None:
    assert len(cluster_of({}).processes) == 1


@pytest.mark.parametrize("written", ["{", "[]", '{"cluster": {"ps": ["a:1"]}}', '{"cluster": {"worker": [1]}}'])
def test_something_else_is_refused_with_what_was_written(written: str) -> None:
    with pytest.raises(ConfigurationError, match="TF_CONFIG must describe a cluster of workers"):
        cluster_of({"TF_CONFIG": written})
