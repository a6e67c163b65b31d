"""Models that ship with the trainer, each a factory with typed arguments."""

from trainwright_trainers.jax.models.cnn import cnn
from trainwright_trainers.jax.models.mlp import mlp
from trainwright_trainers.jax.models.transformer import transformer

__all__ = ["cnn", "mlp", "transformer"]
