"""The `evaluate` step: measure the accepted artifact, and what it was made from, without changing them."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.evaluating import evaluate
from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.predictors import subject_of
from trainwright_trainers.tensorflow.processes import use_threads


def run(context: StepContext) -> StepResult:
    """Measure the artifact that the step starts from, and its ancestors."""
    use_threads(usable_threads())
    return evaluate(context, subject_of)
