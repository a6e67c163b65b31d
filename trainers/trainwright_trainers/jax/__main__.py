"""The entry point of a pod: `python -m trainwright_trainers.jax` runs the step that the environment describes."""

import os

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime import logs
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import execute, leave
from trainwright_trainers.runtime.launching import run_workers

WORKER = "trainwright_trainers.jax.worker"


def run(step: StepContext) -> StepResult:
    """Run the step here, or in processes of its own when it is a distributed one."""
    if step.configuration.step.distributed:
        host, _, _ = os.environ.get("JAX_COORDINATOR_ADDRESS", "127.0.0.1:0").rpartition(":")
        return run_workers(step, WORKER, host, int(os.environ.get("JAX_NUM_PROCESSES", "1")))
    from trainwright_trainers.jax.steps import find_run

    return find_run(step)(step)


if __name__ == "__main__":
    logs.configure("trainer")
    leave(execute(run))
