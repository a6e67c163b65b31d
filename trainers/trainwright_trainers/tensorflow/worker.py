"""One process of a distributed step: `python -m trainwright_trainers.tensorflow.worker`, started by the entry point."""

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import leave
from trainwright_trainers.runtime.working import work


def run(step: StepContext) -> StepResult:
    """Run the step; TensorFlow is imported no sooner than here, where what goes wrong becomes a result."""
    from trainwright_trainers.tensorflow.steps import find_run

    return find_run(step)(step)


def lost_peer(error: Exception) -> bool:
    """Whether an error only says that another process is gone."""
    from trainwright_trainers.tensorflow import processes

    return processes.lost_peer(error)


if __name__ == "__main__":
    leave(work(run, lost_peer))
