"""The JAX trainer: `python -m trainwright_trainers.jax` runs one step."""
