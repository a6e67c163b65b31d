"""`trainwright run --metrics-port`: the run's metrics, as the operator and the trainers serve them on a cluster."""

import socket
import urllib.request
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.local.runs import Run, manifest, python_step, wait_for
from tests.local.test_chain import DATA, MODEL, TRAIN
from trainwright.local.ports import free_ports

Start = Callable[..., Run]


def _values(port: int) -> dict[str, float]:
    """Every sample by its name; of those with several label sets one."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            text = page.read().decode()
    except OSError:
        return {}
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


@pytest.mark.slow
def test_job_and_running_step_are_served_on_one_port(start: Start) -> None:
    (port,) = free_ports(1)
    train = TRAIN | {"train": TRAIN["train"] | {"epochs": 1000}}
    run = start(manifest([train], model=MODEL, data=DATA, workers={"replicas": 2}), "--metrics-port", str(port))

    def trains() -> dict[str, float]:
        values = _values(port)
        return values if values.get("trainwright_job_progress_ratio") and "trainwright_training_step" in values else {}

    values = wait_for(trains, 300)
    assert values["trainwright_job_info"] == 1
    assert values["trainwright_job_workers_wanted"] == values["trainwright_job_workers_ready"] == 2
    assert values["trainwright_training_samples_per_second"] > 0
    assert values["trainwright_training_step"] >= values["trainwright_job_training_step"] > 0
    run.interrupt()
    assert run.wait(300) == 130, run.said
    assert _values(port) == {}, "nothing is left that serves"


def test_step_that_serves_nothing_leaves_the_jobs_own_metrics(start: Start) -> None:
    (port,) = free_ports(1)
    run = start(manifest([python_step("wait", "import time; time.sleep(600)")]), "--metrics-port", str(port))
    values = wait_for(lambda: _values(port), 120)
    assert values["trainwright_job_info"] == 1
    assert not any(name.startswith("trainwright_training_") for name in values)
    run.interrupt()
    assert run.wait(120) == 130, run.said


def test_port_that_is_taken_is_said_before_anything_runs(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = start(manifest([python_step("hello", "print('hello')")]), "--metrics-port", str(port))
        assert run.wait(120) == 2
    assert f"--metrics-port: {port} can't be served: Address already in use" in run.said
    assert "StepStarted" not in run.said
