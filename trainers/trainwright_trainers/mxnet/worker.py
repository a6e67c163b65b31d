"""One process of a distributed step: `python -m trainwright_trainers.mxnet.worker`, started by the entry point."""

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import leave
from trainwright_trainers.runtime.working import work


def run(step: StepContext) -> StepResult:
    """Run the step; MXNet is imported no sooner than here, where what goes wrong becomes a result."""
    from trainwright_trainers.mxnet.steps import find_run

    return find_run(step)(step)


def lost_peer(_error: Exception) -> bool:
    """No error says so: who loses a peer is told by the board, and ends without one."""
    return False


if __name__ == "__main__":
    leave(work(run, lost_peer))
