"""Models that ship with the trainer, each a factory with typed arguments."""

from trainwright_trainers.tensorflow.models.cnn import cnn
from trainwright_trainers.tensorflow.models.mlp import mlp
from trainwright_trainers.tensorflow.models.resnet import resnet
from trainwright_trainers.tensorflow.models.transformer import transformer

__all__ = ["cnn", "mlp", "resnet", "transformer"]
