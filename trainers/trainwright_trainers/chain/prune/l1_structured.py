"""Removal of the channels with the least weights (Li et al. 2017, https://arxiv.org/abs/1608.08710)."""

import numpy as np

from trainwright_trainers.chain.channels import Arrays, Kept, Structure, cut, magnitudes, without_inputs
from trainwright_trainers.chain.prune.method import Pruned, Subject, Target
from trainwright_trainers.data import Array
from trainwright_trainers.runtime.errors import ConfigurationError

TOLERANCE = 1e-3
"""How much a sum in another order may change an output, as a share of the largest one."""
REFUSAL = "prune.method l1-structured can't follow this model's structure; l1-unstructured can prune it"
"""A model may have sizes in its code that can't be seen in its operations, as in reshape((-1, 1024))."""


def prune_l1_structured(model: Subject, sample: Array, target: Target) -> Pruned[Subject]:
    """Remove a share of the channels, those with the least sum of weights' magnitudes.

    The share is each layer's, unless all layers are ranked together, each by its own mean.

    Channels that a shortcut adds to each other are ranked and removed together; every layer keeps one at least. The
    layers that make the model's output stay whole, and so do those whose channels are tied to what can't be cut: the
    notes name these.

    Raises:
        ConfigurationError: the model's structure can't be followed, or no channel can be removed.
    """
    structure, arrays = model.structure, model.arrays
    if structure.unfollowed:
        raise ConfigurationError(f"{REFUSAL} ({structure.unfollowed})")
    kept = strongest_channels(arrays, structure, target)
    if all(stays.all() for stays in kept.values()):
        raise ConfigurationError(f"prune.amount {target.amount} removes no channel of any layer of this model")
    wanted = np.asarray(model.made_of(without_inputs(arrays, structure, kept)).run(sample))
    try:
        pruned = model.made_of(cut(arrays, structure, kept))
        found = np.asarray(pruned.run(sample))
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{REFUSAL} ({str(error).strip().partition(chr(10))[0]})") from error
    if found.shape != wanted.shape or np.abs(found - wanted).max() > TOLERANCE * np.abs(wanted).max():
        raise ConfigurationError(f"{REFUSAL} (channels that do not belong together were tied together)")
    names = ", ".join(structure.whole)
    notes = [f"these layers kept all channels, as they are tied to something that can't be cut: {names}"]
    return Pruned(pruned, notes=notes if structure.whole else [])


def strongest_channels(arrays: Arrays, structure: Structure, target: Target) -> Kept:
    """What stays of each group when a share of the channels goes; one channel at least."""
    groups = structure.groups
    scores = [magnitudes(arrays, structure, group) for group in groups]
    before = [target.before.get(group.name, group.channels) for group in groups]
    if target.everywhere and groups:
        scores = [score / max(float(score.mean()), float(np.finfo(np.float32).tiny)) for score in scores]
        ranked = np.sort(np.concatenate(scores))
        gone = sum(before) - len(ranked)
        limit = ranked[max(int(sum(before) * target.amount) - gone, 0)]
        counts = [int((score < limit).sum()) for score in scores]
    else:
        counts = [int(old * target.amount) - (old - len(score)) for old, score in zip(before, scores, strict=True)]
    kept = {}
    for group, score, count in zip(groups, scores, counts, strict=True):
        stays = np.ones(group.channels, bool)
        stays[np.argsort(score, kind="stable")[: min(max(count, 0), group.channels - 1)]] = False
        kept[group.name] = stays
    return kept
