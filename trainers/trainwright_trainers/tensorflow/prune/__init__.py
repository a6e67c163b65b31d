"""The `prune` step; the methods are those of `chain/prune`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.prune import prune
from trainwright_trainers.chain.source import read_source
from trainwright_trainers.chain.weights import recipe_of_cut
from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.processes import use_threads
from trainwright_trainers.tensorflow.prune.candidate import Candidate
from trainwright_trainers.tensorflow.prune.finetuning import finetune
from trainwright_trainers.tensorflow.publishing import publish_model


def run(context: StepContext) -> StepResult:
    """Prune the accepted model in rounds, fine-tune it after each, and publish what is left."""
    use_threads(usable_threads())
    source = read_source(context)
    whole = Candidate(load_model(source.artifact, source.factory), source.sample)
    before, train = whole.arrays, source.splits.train
    done = prune(
        context, whole, source.sample, lambda model, zeros, number: finetune(context, model, train, zeros, number)
    )
    if done is None:
        return StepResult(outcome="Stopped")
    left, notes = done
    return publish_model(
        context,
        left.model,
        source.sample,
        source.factory,
        source.splits.validation,
        parent=source.artifact,
        recipe=recipe_of_cut(source.artifact.description.recipe, before, left.arrays),
        notes=notes,
    )
