"""Which channels of a model belong together, across shortcuts and concatenations, and which of them are weakest.

An adapter of Torch-Pruning's dependency graph (Fang et al. 2023, https://arxiv.org/abs/2301.12900): it is only asked
what to remove, and removes nothing itself.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwright_trainers.data import Array
from trainwright_trainers.pytorch.channels import Kept, sides_of
from trainwright_trainers.pytorch.prune.method import Target

if TYPE_CHECKING:
    from torch_pruning.dependency import DependencyGraph, Group

LAYERS = (*(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d), *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
"""The layers whose outputs may be removed; what follows them is cut along."""

Removed = dict[nn.Module, dict[str, set[int]]]
"""By layer and side (`outputs` or `inputs`): numbers of channels."""


def strongest_channels(model: nn.Module, sample: Array, target: Target) -> tuple[dict[str, Kept], list[str]]:
    """What stays of each layer when a share of the channels goes, those with the least sum of magnitudes.

    Args:
        model: a model in evaluation mode.
        sample: one input, [1, ...].
        target: the share, less than 1; each layer keeps one channel at least.

    Returns:
        What stays, by the layer's name; and the layers that keep all, as they are tied to one that can't be cut. The
        layers that make the model's output keep all as well.
    """
    from torch_pruning.dependency import DependencyGraph

    device = next(model.parameters()).device
    graph = DependencyGraph().build_dependency(model, torch.from_numpy(sample).to(device), verbose=False)
    names = {layer: name for name, layer in model.named_modules()}
    removed: Removed = defaultdict(lambda: defaultdict(set))
    groups, whole = [], []
    for group in graph.get_all_groups(ignored_layers=output_layers(graph), root_module_types=LAYERS):
        if all(can_be_cut(item.dep.target.module) for item in group.items):
            groups.append(group)
        else:
            whole.append(names[group[0].dep.target.module])
    for group, weakest in zip(groups, weakest_channels(groups, names, target), strict=True):
        root = group[0].dep
        for dependency, channels in graph.get_pruning_group(root.target.module, root.handler, weakest).items:
            side = "outputs" if graph.is_out_channel_pruning_fn(dependency.handler) else "inputs"
            removed[dependency.target.module][side].update(channels)
    kept = {names[layer]: others(layer, sides) for layer, sides in removed.items() if layer in names}
    return {name: sides for name, sides in kept.items() if sides != Kept()}, whole


def output_layers(graph: "DependencyGraph") -> list[nn.Module]:
    """The layers whose outputs are, but for operations without weights, the model's output."""
    found: list[nn.Module] = []
    nodes = [node for node in graph.module2node.values() if not node.outputs]
    for node in nodes:
        if isinstance(node.module, LAYERS):
            found.append(node.module)
        else:
            nodes.extend(before for before in node.inputs if before not in nodes)
    return found


def can_be_cut(part: nn.Module | nn.Parameter) -> bool:
    """Whether a part of a group has no weights, or weights that can be cut."""
    if isinstance(part, nn.Parameter):
        return False
    return sides_of(part) is not None or not list(part.parameters())


def weakest_channels(groups: "list[Group]", names: Mapping[nn.Module, str], target: Target) -> list[list[int]]:
    """The channels of each group that are to be removed."""
    from torch_pruning.pruner.importance import GroupMagnitudeImportance

    scores = [GroupMagnitudeImportance(p=1)(group) for group in groups]
    roots = [names[group[0].dep.target.module] for group in groups]
    before = [target.before.get(root, len(score)) for root, score in zip(roots, scores, strict=True)]
    if not target.everywhere:
        counts = [int(old * target.amount) - (old - len(score)) for old, score in zip(before, scores, strict=True)]
    else:
        ranked = torch.cat([score / score.mean() for score in scores])
        wanted = int(sum(before) * target.amount) - (sum(before) - len(ranked))
        limit = ranked.sort().values[max(wanted, 0)]
        counts = [int((score / score.mean() < limit).sum()) for score in scores]
    return [
        score.argsort()[: min(max(count, 0), len(score) - 1)].tolist()
        for count, score in zip(counts, scores, strict=True)
    ]


def others(layer: nn.Module, removed: dict[str, set[int]]) -> Kept:
    """What stays of a layer without the channels that are removed from its sides."""
    sides = sides_of(layer)
    if sides is None:
        return Kept()
    kept: dict[str, list[int]] = {}
    for name, side in (("outputs", sides.outputs), ("inputs", sides.inputs)):
        if side is not None and removed[name]:
            kept[name] = sorted(set(range(getattr(layer, side.counts[0]))) - removed[name])
    return Kept(**kept)
