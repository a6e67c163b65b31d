"""The TensorFlow trainer: `python -m trainwright_trainers.tensorflow` runs one step of a Keras model."""
