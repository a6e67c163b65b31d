"""The entry point of a pod: `python -m trainwright_trainers.mxnet` runs the step of the environment."""

import os

from trainwright.api.contract import StepResult
from trainwright_trainers.mxnet.cluster import cluster_of
from trainwright_trainers.mxnet.servers import serving
from trainwright_trainers.runtime import logs
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import execute, leave
from trainwright_trainers.runtime.launching import run_workers
from trainwright_trainers.runtime.peers import resolve

WORKER = "trainwright_trainers.mxnet.worker"


def run(step: StepContext) -> StepResult:
    """Run the step here, or in processes of its own when it is a distributed one."""
    if step.configuration.step.distributed:
        cluster = cluster_of(os.environ)
        if not resolve(cluster.host, step.stop):  # what serves the group needs its own pod's name
            return StepResult(outcome="Stopped")
        with serving(cluster):
            return run_workers(step, WORKER, cluster.host, cluster.workers)
    from trainwright_trainers.mxnet.steps import find_run

    return find_run(step)(step)


if __name__ == "__main__":
    logs.configure("trainer")
    leave(execute(run))
