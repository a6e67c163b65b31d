"""Models that a pruning method has to follow."""

from typing import Any

import keras
from keras import layers


def shortcuts() -> Any:
    """Shortcuts, a flattened image, poolings, a layer that is used twice, models in the model, operations."""
    inputs = keras.Input((1, 8, 8))
    x = layers.Permute((2, 3, 1))(inputs)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    y = layers.Conv2D(12, 3, padding="same", use_bias=False, name="inside")(x)
    y = layers.ReLU()(layers.BatchNormalization(name="norm")(y))
    x = layers.MaxPooling2D()(layers.Add()([x, layers.Conv2D(8, 1, name="back")(y)]))
    x = layers.ReLU()(layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x))
    up = layers.Conv2DTranspose(6, 2, 2, name="up")(x)
    x = layers.Conv2D(8, 2, 2, name="down")(keras.ops.gelu(up)) + x
    x = layers.Flatten()(x)
    twice = layers.Dense(16, name="twice")
    head = keras.Sequential([layers.Dense(16, activation="relu", name="before"), twice, layers.ReLU()])
    given = keras.Input((16,))
    inner = keras.Model(given, layers.Dense(14, activation="relu", name="last")(layers.Dense(6, name="within")(given)))
    return keras.Model(inputs, layers.Dense(10, name="answer")(inner(twice(head(x)))))


def untied() -> Any:
    """A concatenation, a norm over all channels and a softmax: what is tied to them stays whole."""
    inputs = keras.Input((1, 8, 8))
    x = layers.Permute((2, 3, 1))(inputs)
    x = layers.Conv2D(8, 3, name="stem")(x)
    x = layers.Concatenate()([x, layers.Conv2D(4, 1, name="beside")(x)])
    x = layers.Dense(16, activation="relu", name="free")(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(8, activation="softmax", name="chosen")(x)
    return keras.Model(inputs, layers.Dense(10, name="answer")(layers.LayerNormalization()(x)))


def plain() -> Any:
    """Two linear layers."""
    return keras.Sequential([layers.Flatten(), layers.Dense(32, activation="tanh"), layers.Dense(10)])


def size_in_code() -> Any:
    """A size that stands in the code, where no layer shows it."""
    inputs = keras.Input((1, 8, 8))
    x = layers.Dense(16, name="first")(layers.Flatten()(inputs))
    x = layers.Lambda(lambda values: keras.ops.reshape(values, (-1, 16)), name="shaped")(x)
    return keras.Model(inputs, layers.Dense(10)(layers.Reshape((16,))(layers.Dense(16, name="second")(x))))


class OwnCode(keras.Model):
    """A model that computes in its own `call`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(32, activation="relu"), layers.Dense(10)

    def call(self, x: Any) -> Any:
        return self.second(self.first(keras.ops.reshape(x, (-1, 64))))


def own_code() -> Any:
    return OwnCode()


def of_own_statistics() -> Any:
    """Batch normalization over each device's own samples, as is Keras' default."""
    normalized = [layers.Dense(16), layers.BatchNormalization(name="own"), layers.Dense(10)]
    return keras.Sequential([layers.Flatten(), *normalized])
