"""The `prune` step. A method is one file beside this one and one line in `METHODS`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.pruning import amounts
from trainwright_trainers.chain.source import choose, field_of, read_source
from trainwright_trainers.jax.artifacts import SHAPES, Model, load_model, stored
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.channels import structure_of
from trainwright_trainers.jax.prune.finetuning import finetune
from trainwright_trainers.jax.prune.l1_semi_structured import prune_l1_semi_structured
from trainwright_trainers.jax.prune.l1_structured import prune_l1_structured
from trainwright_trainers.jax.prune.l1_unstructured import prune_l1_unstructured
from trainwright_trainers.jax.prune.method import Method, Target
from trainwright_trainers.jax.publishing import publish_model
from trainwright_trainers.jax.trees import flatten
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
    use_compilation_cache(context.root)
    options = context.configuration.step.options
    prune = choose(METHODS, options.method, f"{field_of(context)}.method")
    source = read_source(context)
    whole = model = load_model(source.artifact, source.factory)
    before = {group.name: group.channels for group in structure_of(model).groups}
    notes = []
    for number, amount in enumerate(amounts(options)):
        pruned = prune(model, source.sample, Target(amount, options.scope == "global", before))
        notes += pruned.notes
        tuned = finetune(context, pruned.model, source.splits.train, pruned.zeros, number)
        if tuned is None:
            return StepResult(outcome="Stopped")
        model = tuned
    recipe = source.artifact.description.recipe
    return publish_model(
        context,
        model,
        source.factory,
        source.splits.validation,
        parent=source.artifact,
        recipe=recipe | {SHAPES: {**recipe.get(SHAPES, {}), **changed_shapes(whole, model)}},
        notes=list(dict.fromkeys(notes)),
    )


def changed_shapes(before: Model, after: Model) -> dict[str, list[int]]:
    """The shapes of the arrays of `after` that are not as in `before`, by name."""
    old, new = flatten(stored(before.variables)), flatten(stored(after.variables))
    return {name: list(array.shape) for name, array in new.items() if array.shape != old[name].shape}
