"""Models that ship with the trainer, each a factory with typed arguments."""

from trainwright_trainers.pytorch.models.mlp import mlp
from trainwright_trainers.pytorch.models.resnet import resnet8, resnet18, resnet34, resnet50

__all__ = ["mlp", "resnet8", "resnet18", "resnet34", "resnet50"]
