"""The `evaluate` step: measure the accepted artifact, and what it was made from, without changing them."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.evaluating import evaluate
from trainwright_trainers.mxnet.predictors import subject_of
from trainwright_trainers.runtime.context import StepContext


def run(context: StepContext) -> StepResult:
    """Measure the artifact that the step starts from, and its ancestors."""
    return evaluate(context, subject_of)
