"""FSDP2: each process keeps a part of every weight, its gradient and its optimizer state.

Source: https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.modules.batchnorm import _BatchNorm

from trainwright.api.steps import Precision
from trainwright_trainers.pytorch.blocks import blocks
from trainwright_trainers.pytorch.precision import TYPES
from trainwright_trainers.pytorch.processes import Processes


def shard(model: nn.Module, precision: Precision, processes: Processes) -> None:
    """Spread the model over the processes, in place, block by block: its parameters become DTensors. Collective.

    In half precision the weights are gathered in that format, which halves the communication; gradients are summed in
    fp32. Batch normalization computes in fp32, so it is sharded by itself and gathered as it is.
    """
    mesh = init_device_mesh(processes.device.type, (processes.size,))
    policy = MixedPrecisionPolicy(
        param_dtype=TYPES.get(precision), reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    exact = MixedPrecisionPolicy(cast_forward_inputs=False)
    for layer in model.modules():
        if isinstance(layer, _BatchNorm) and layer.affine:
            fully_shard(layer, mesh=mesh, mp_policy=exact)
    for _, block in blocks(model):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """The whole weights and buffers of a sharded model in the CPU's memory of the first process; empty in the others.

    Collective.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state: dict[str, Tensor] = get_model_state_dict(model, options=options)  # type: ignore[assignment]
    return state


def whole(value: Tensor) -> Tensor:
    """A tensor that may be spread over the processes, whole in each; then it is collective."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def own_part(value: Tensor) -> Tensor:
    """What of a tensor lies in this process."""
    return value.to_local() if isinstance(value, DTensor) else value
