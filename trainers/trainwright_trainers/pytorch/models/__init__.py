"""Models that ship with the trainer, each a factory with typed arguments."""

from trainwright_trainers.pytorch.models.gpt import gpt, gpt2
from trainwright_trainers.pytorch.models.mlp import mlp
from trainwright_trainers.pytorch.models.resnet import resnet8, resnet18, resnet34, resnet50
from trainwright_trainers.pytorch.models.vit import vit, vit_b_16

__all__ = ["gpt", "gpt2", "mlp", "resnet8", "resnet18", "resnet34", "resnet50", "vit", "vit_b_16"]
