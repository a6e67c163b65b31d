"""The MXNet trainer: `python -m trainwright_trainers.mxnet` runs one step of a Gluon model."""
