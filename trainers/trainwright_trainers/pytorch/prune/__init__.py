"""The `prune` step. A method is one file beside this one and one line in `METHODS`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.source import choose, field_of, read_source
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.prune.finetuning import finetune
from trainwright_trainers.pytorch.prune.l1_semi_structured import prune_l1_semi_structured
from trainwright_trainers.pytorch.prune.l1_structured import prune_l1_structured
from trainwright_trainers.pytorch.prune.l1_unstructured import prune_l1_unstructured
from trainwright_trainers.pytorch.prune.method import Method
from trainwright_trainers.pytorch.prune.rounds import targets
from trainwright_trainers.pytorch.publishing import publish_model
from trainwright_trainers.runtime.context import StepContext

METHODS: dict[str, Method] = {
    "l1-unstructured": prune_l1_unstructured,
    "l1-semi-structured": prune_l1_semi_structured,
    "l1-structured": prune_l1_structured,
}
"""By `prune.method`."""


def run(context: StepContext) -> StepResult:
    """Prune the accepted model in rounds, fine-tune it after each, and publish what is left.

    Stopped in fine-tuning, the step leaves nothing behind and starts over when it is run again.
    """
    options = context.configuration.step.options
    prune = choose(METHODS, options.method, f"{field_of(context)}.method")
    source = read_source(context)
    model = load_model(source.artifact, source.factory)
    cuts, notes = [], []
    for number, target in enumerate(targets(model, options)):
        pruned = prune(model, source.sample, target)
        cuts += pruned.cuts
        notes += pruned.notes
        if not finetune(context, model, source.splits.train, pruned.zeros, number):
            return StepResult(outcome="Stopped")
    recipe = source.artifact.description.recipe
    return publish_model(
        context,
        model,
        source.factory,
        source.splits.validation,
        parent=source.artifact,
        recipe=recipe | {"cuts": [*recipe.get("cuts", []), *cuts]},
        notes=list(dict.fromkeys(notes)),
    )
