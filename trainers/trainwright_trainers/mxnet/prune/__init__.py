"""The `prune` step; the methods are those of `chain/prune`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.prune import prune
from trainwright_trainers.chain.source import read_source
from trainwright_trainers.mxnet.artifacts import load_model
from trainwright_trainers.mxnet.prune.candidate import Candidate
from trainwright_trainers.mxnet.prune.finetuning import finetune
from trainwright_trainers.mxnet.publishing import publish_model
from trainwright_trainers.runtime.context import StepContext


def run(context: StepContext) -> StepResult:
    """Prune the accepted model in rounds, fine-tune it after each, and publish what is left."""
    source = read_source(context)
    whole, train = Candidate(load_model(source.artifact, source.factory)), source.splits.train
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
        notes=notes,
    )
