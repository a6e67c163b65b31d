"""One process of a distributed step: `python -m trainwright_trainers.pytorch.worker`, started by the launcher."""

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import leave
from trainwright_trainers.runtime.working import work


def run(step: StepContext) -> StepResult:
    """Run the step; torch is imported no sooner than here, where what goes wrong becomes a result."""
    from trainwright_trainers.pytorch.steps import find_run

    return find_run(step)(step)


def lost_peer(error: Exception) -> bool:
    """Whether an error only says that another process is gone."""
    from trainwright_trainers.pytorch import processes

    return processes.lost_peer(error)


if __name__ == "__main__":
    leave(work(run, lost_peer))
