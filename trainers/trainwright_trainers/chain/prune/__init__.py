"""Pruning of the frameworks whose models are arrays by name. A method is one file here and one line in `METHODS`."""

from collections.abc import Callable, Mapping

from trainwright_trainers.chain.prune.l1_semi_structured import prune_l1_semi_structured
from trainwright_trainers.chain.prune.l1_structured import prune_l1_structured
from trainwright_trainers.chain.prune.l1_unstructured import prune_l1_unstructured
from trainwright_trainers.chain.prune.method import Method, Subject, Target
from trainwright_trainers.chain.pruning import amounts
from trainwright_trainers.chain.source import choose, field_of
from trainwright_trainers.data import Array
from trainwright_trainers.runtime.context import StepContext

METHODS: dict[str, Method] = {
    "l1-unstructured": prune_l1_unstructured,
    "l1-semi-structured": prune_l1_semi_structured,
    "l1-structured": prune_l1_structured,
}
"""By `prune.method`."""


def prune(
    context: StepContext,
    model: Subject,
    sample: Array,
    finetune: Callable[[Subject, Mapping[str, Array], int], Subject | None],
) -> tuple[Subject, list[str]] | None:
    """Prune the model in rounds and fine-tune it after each.

    Stopped in fine-tuning, a step leaves nothing behind and starts over when it is run again.

    Args:
        context: the step.
        model: the accepted model.
        sample: one input, [1, ...].
        finetune: (pruned model, where each array must stay zero, number of the round) -> the trained model; none when
            the step was asked to stop.

    Returns:
        What is left of the model, and what the user should know; none when the step was asked to stop.

    Raises:
        ConfigurationError: the model can't be pruned so.
    """
    options = context.configuration.step.options
    method = choose(METHODS, options.method, f"{field_of(context)}.method")
    before = {group.name: group.channels for group in model.structure.groups}
    notes = []
    for number, amount in enumerate(amounts(options)):
        pruned = method(model, sample, Target(amount, options.scope == "global", before))
        notes += pruned.notes
        tuned = finetune(pruned.model, pruned.zeros, number)
        if tuned is None:
            return None
        model = tuned
    return model, list(dict.fromkeys(notes))
