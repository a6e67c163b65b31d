"""A PyTorch model as an artifact: weights in safetensors, and in artifact.json how to make the model around them."""

import inspect
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainwright.api.base import JsonObject
from trainwright.api.steps import Factory
from trainwright_trainers.chain.weights import FORMAT, WEIGHTS, check_origin, signature
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.pytorch.channels import cut_channels, read_cuts
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.runtime.artifacts import (
    Artifact,
    ArtifactError,
    Description,
    Parent,
    write_artifact,
)
from trainwright_trainers.runtime.errors import ConfigurationError


def write_model(
    draft: Path,
    model: nn.Module,
    sample: Array,
    *,
    name: str,
    factory: Factory,
    recipe: JsonObject | None = None,
    parent: Parent | None = None,
) -> Artifact:
    """Make an artifact of the model in the directory `draft`.

    Args:
        draft: an empty directory, from `drafted`.
        model: the trained model, on any device, not wrapped for distributed training.
        sample: a batch of one input, [1, ...].
        name: the step that made it.
        factory: what made the model.
        recipe: what changed the model's shape since its factory made it, as `load_model` does it again.
        parent: the artifact that it was made from.
    """
    save_file({key: tensor.cpu().contiguous() for key, tensor in stored_tensors(model).items()}, draft / WEIGHTS)
    return write_artifact(
        draft,
        Description(
            name=name,
            format=FORMAT,
            model=factory,
            inputs=[signature(input_name(model), model_input(sample))],
            outputs=[signature("output", run(model, sample))],
            recipe=recipe or {},
            parent=parent,
            tools={"torch": torch.__version__, "safetensors": safetensors.__version__},
        ),
    )


def load_model(artifact: Artifact, factory: Factory) -> nn.Module:
    """The artifact's model in evaluation mode: made by `factory`, cut as it was pruned, filled with the weights.

    The factory comes from the job's configuration, since one from artifact.json could name any callable there is.

    Raises:
        ConfigurationError: the artifact's model was made by another factory or with other arguments, or the artifact
            is not a PyTorch model.
        ArtifactError: the weights are not those of such a model.
    """
    description = artifact.description
    check_origin(description, factory)
    model = make_model(factory)
    for cut in read_cuts(description.recipe):
        cut_channels(model, cut)
    fill(model, artifact.file(".safetensors"))
    return model.eval()


def fill(model: nn.Module, path: Path) -> None:
    """Copy the weights in a safetensors file into the model.

    Raises:
        ArtifactError: the file isn't safetensors, or its names, shapes or types are not exactly the model's.
    """
    wanted = stored_tensors(model)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            _check_names(set(file.keys()), set(wanted))
            for key, tensor in wanted.items():
                _check_shape(key, file.get_slice(key).get_shape(), tensor)
                found = file.get_tensor(key)
                if found.dtype != tensor.dtype:
                    raise ArtifactError(f"the weight {key} is {found.dtype}, the model's is {tensor.dtype}")
                with torch.no_grad():
                    tensor.copy_(found)
    except safetensors.SafetensorError as error:
        raise ArtifactError(f"{path} is not a safetensors file: {error}") from error


def stored_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers that are saved, by name; of tied ones the first only.

    Raises:
        ConfigurationError: the model's state holds something that is not a tensor.
    """
    stored: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size, tuple[int, ...]]] = set()
    for key, tensor in model.state_dict().items():
        if not isinstance(tensor, Tensor):
            raise ConfigurationError(
                f"spec.model: the model's state holds {key}, a {type(tensor).__name__}; only tensors can be saved"
            )
        place = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if place not in seen or tensor.numel() == 0:
            stored[key] = tensor
        seen.add(place)
    return stored


def run(model: nn.Module, batch: Array) -> Array:
    """The model's output for a batch, on the device where the model is."""
    parameter = next(model.parameters(), torch.empty(0))
    with torch.inference_mode():
        output = model(torch.from_numpy(model_input(batch)).to(parameter.device))
    if not isinstance(output, Tensor):
        raise ConfigurationError(f"spec.model: the model must return one tensor, it returns {type(output).__name__}")
    array: Array = output.float().cpu().numpy()
    return array


def input_name(model: nn.Module) -> str:
    """The name of the first argument of the model's forward pass."""
    return next(iter(inspect.signature(model.forward).parameters), "input")


def _check_names(found: set[str], wanted: set[str]) -> None:
    missing, unknown = sorted(wanted - found), sorted(found - wanted)
    if missing or unknown:
        raise ArtifactError(
            f"the weights don't fit the model: {len(missing)} are missing {missing[:3]}, {len(unknown)} are not the"
            f" model's {unknown[:3]}; spec.model must be what the weights were trained with"
        )


def _check_shape(key: str, found: list[int], wanted: Tensor) -> None:
    if found != list(wanted.shape):
        raise ArtifactError(
            f"the weights don't fit the model: {key} has shape {found}, the model's has {list(wanted.shape)};"
            " spec.model must be what the weights were trained with"
        )
