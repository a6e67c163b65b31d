"""A real Prometheus finds the operator and the trainers by the chart's monitors, and tells what the status tells."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import wait_until
from testbed.helm import render
from testbed.monitors import Discovery, scrape_config
from testbed.node import NodeCluster
from testbed.node.operator import Operator
from testbed.operator import NAMESPACE
from testbed.prometheus import Prometheus
from tests.monitoring.programs import require_prometheus
from tests.monitoring.queries import RULES
from tests.node.jobs import Jobs, training

MONITORS = {"monitoring.serviceMonitor.enabled": True, "monitoring.podMonitor.enabled": True}
EPOCHS = 40


@pytest.fixture
def prometheus(operator: Operator, node: NodeCluster, tmp_path: Path) -> Iterator[Prometheus]:
    """A server in the cluster's network that reads what the chart's monitors select."""
    require_prometheus()
    monitors = [body for body in render(MONITORS, namespace=NAMESPACE) if body["kind"].endswith("Monitor")]
    assert {body["kind"] for body in monitors} == {"ServiceMonitor", "PodMonitor"}
    with Discovery(node.client, tmp_path) as discovery:
        server = Prometheus(tmp_path, [scrape_config(monitor, discovery) for monitor in monitors], RULES)
        server.start_ready()
        yield server
        server.stop()


def test_a_killed_worker_shows_up_within_a_scrape_and_all_tell_the_same_of_it(
    prometheus: Prometheus, jobs: Jobs
) -> None:
    jobs.apply(training("watched", EPOCHS))
    mine = f'namespace="{jobs.namespace}", job_name="watched"'

    def value(name: str, more: str = "") -> float:
        return float(prometheus.wait_for(f"{name}{{{mine}{more}}}")[0]["value"][1])

    jobs.wait_checkpoint("watched", 20)
    assert value("trainwright_job_restarts") == 0
    assert value("trainwright_training_step") > 0
    jobs.kill_worker(jobs.live_pods("watched")[-1])
    jobs.wait_for("watched", lambda status: status.get("restarts") == 1, "starts again")
    wait_scraped(prometheus, time.time())
    assert value("trainwright_job_restarts") == 1
    assert value("trainwright_job_last_failure_info", ', cause="Error", reason="SIGKILL"') == 1

    resumed = wait_until(
        lambda: next((event for event in jobs.journal("watched") if event["event"] == "resumed"), None), "it resumed"
    )
    replay = ', cause="replay"'
    wait_until(
        lambda: value("trainwright_training_lost_seconds", replay) == pytest.approx(resumed["undoneSeconds"], abs=0.01),
        "the trainer's own metrics tell what was lost",
    )
    status = jobs.wait("watched", "Complete")
    wait_scraped(prometheus, time.time())
    (step,) = status["steps"]
    assert value("trainwright_artifact_accuracy") == step["metrics"]["accuracy"]
    assert value("trainwright_job_lost_seconds", ', cause="restart"') == status["phaseSeconds"]["restarting"]
    assert value("trainwright_job_lost_seconds", replay) == step["lost"]["replay"]
    assert value("trainwright_job_info", ', phase="Complete"') == 1
    assert silent(prometheus, f"trainwright_training_step{{{mine}}}"), "a pod that has ended is not read any more"


def wait_scraped(prometheus: Prometheus, moment: float) -> None:
    """Waits for a reading of the operator's metrics that began after a moment, in seconds since the epoch."""
    read = 'timestamp(trainwright_build_info{job="trainwright-operator"})'
    wait_until(lambda: float(prometheus.wait_for(read)[0]["value"][1]) > moment, "the operator is read")


def silent(prometheus: Prometheus, query: str) -> list[dict[str, Any]] | bool:
    """Whether a query gives nothing any more, soon."""
    return wait_until(lambda: not prometheus.query(query), f"{query} gives nothing")
