"""The entry point of a pod: `python -m trainwright_trainers.pytorch` runs the step that the environment describes."""

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime import logs
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import execute, leave


def run(step: StepContext) -> StepResult:
    """Run the step here, or with torchrun's launcher when it is a distributed one."""
    if step.configuration.step.distributed:
        from trainwright_trainers.pytorch import launch

        return launch.run(step)
    from trainwright_trainers.pytorch.steps import find_run

    return find_run(step)(step)


if __name__ == "__main__":
    logs.configure("trainer")
    leave(execute(run))
