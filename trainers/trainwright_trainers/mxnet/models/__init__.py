"""Models that ship with the trainer, each a factory with typed arguments."""

from trainwright_trainers.mxnet.models.cnn import cnn
from trainwright_trainers.mxnet.models.mlp import mlp

__all__ = ["cnn", "mlp"]
