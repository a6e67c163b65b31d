"""TensorFlow: MultiWorkerMirroredStrategy and a compiled step, as TensorFlow's guide to custom training has it.

    python -m benchmarks.bare.launch benchmarks.bare.tensorflow

Its batches are cut from arrays, which is faster here than the guide's tf.data.
"""

import json
import os
from typing import Any

import numpy as np

from benchmarks.bare.launch import addresses
from benchmarks.bare.task import BATCH, PROCESSES, RATE, note_step, samples
from benchmarks.figures import COUNTED, count_figures

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import tensorflow as tf

layers = keras.layers


class Timed(keras.Model):  # type: ignore[misc]
    """A network that notes when its training passes begin."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def call(self, inputs: Any, training: bool = False) -> Any:
        """As the network."""
        if os.environ["RANK"] == "0" and training and inputs.shape[0] == BATCH // PROCESSES:
            tf.numpy_function(note_step, [], [])
        return self.network(inputs, training=training)


def timed_model() -> Any:
    """The trainer's model factory: a small residual network, [n, 1, 8, 8] -> [n, 10]."""
    if os.environ.get(COUNTED):
        count_figures()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((1, 8, 8))
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(layers.Permute((2, 3, 1))(inputs))
    for _ in range(3):
        y = layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same", use_bias=False)(x))
        y = layers.Conv2D(32, 3, padding="same", use_bias=False)(layers.ReLU()(y))
        x = layers.ReLU()(layers.Add()([x, layers.BatchNormalization()(y)]))
    return Timed(keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x))))


def make_step(strategy: Any, model: Any, optimizer: Any) -> Any:
    """(inputs, targets) -> nothing, compiled."""

    def change(inputs: Any, targets: Any) -> None:
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
            loss = tf.reduce_mean(losses) / PROCESSES
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    @tf.function  # type: ignore[untyped-decorator]
    def step(inputs: Any, targets: Any) -> None:
        strategy.run(change, args=(inputs, targets))

    return step


def train() -> None:
    """The loop."""
    rank, share = int(os.environ["RANK"]), BATCH // PROCESSES
    config = {"cluster": {"worker": addresses()}, "task": {"type": "worker", "index": rank}}
    os.environ["TF_CONFIG"] = json.dumps(config)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    ring = tf.distribute.experimental.CommunicationImplementation.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    with strategy.scope():
        model, optimizer = timed_model(), keras.optimizers.AdamW(RATE)
    step = make_step(strategy, model, optimizer)
    inputs, targets = samples()[0]
    targets = targets.astype(np.int32)
    random = np.random.default_rng(0)
    while True:  # until it is killed
        order = random.permutation(len(inputs))
        for start in range(rank * share, len(inputs), BATCH):
            mine = order[start : start + share]
            step(tf.constant(inputs[mine]), tf.constant(targets[mine]))


if __name__ == "__main__":
    train()
