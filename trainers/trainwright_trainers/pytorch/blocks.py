"""The blocks that a model repeats: what is sharded, and computed again, one after the other."""

from collections.abc import Iterator

from torch import nn

from trainwright_trainers.runtime.errors import ConfigurationError

LISTS = (nn.Sequential, nn.ModuleList)


def blocks(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The items of the model's lists and sequences that are made of further layers, such as a transformer's blocks.

    Gives their names with them. What lies within a block is no block of its own.
    """
    inside: list[str] = []
    for list_name, items in model.named_modules():
        if not isinstance(items, LISTS) or any(list_name.startswith(f"{block}.") for block in inside):
            continue
        for name, item in items.named_children():
            if (
                not isinstance(item, LISTS)
                and any(True for _ in item.children())
                and any(True for _ in item.parameters())
            ):
                path = f"{list_name}.{name}" if list_name else name
                inside.append(path)
                yield path, item


def found_blocks(model: nn.Module, field: str, purpose: str) -> list[nn.Module]:
    """The model's blocks, for something that is done block by block.

    Args:
        model: the model.
        field: where the user asked for it, such as `spec.steps[train].train.compile`.
        purpose: what is done, such as `compile`.

    Raises:
        ConfigurationError: it has none.
    """
    found = [block for _, block in blocks(model)]
    if not found:
        raise ConfigurationError(
            f"{field}: the model has no blocks to {purpose}: modules of several layers in a torch.nn.Sequential or"
            " ModuleList"
        )
    return found
