"""A small transformer for images, with an attention layer of its own."""

from typing import Any

import keras
from keras import ops
from pydantic import validate_call

from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size
from trainwright_trainers.runtime.errors import ConfigurationError


@keras.saving.register_keras_serializable(package="trainwright")
class Attention(keras.layers.Layer):
    """Scaled dot-product attention over all places, with several heads (https://arxiv.org/abs/1706.03762).

    [batch, places, width] -> the same, where `heads` divides the width.
    """

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def build(self, shape: Any) -> None:
        """Make the layers for what it is given."""
        width = shape[-1]
        self.mixed = keras.layers.Dense(3 * width, dtype=self.dtype_policy, name="mixed")
        self.out = keras.layers.Dense(width, dtype=self.dtype_policy, name="out")
        self.mixed.build(shape)
        self.out.build(shape)

    def call(self, x: Any) -> Any:
        """Attend."""
        places, width = x.shape[1], x.shape[2]
        parts = ops.reshape(self.mixed(x), (-1, places, 3, self.heads, width // self.heads))
        query, key, value = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), axis=0)  # [batch, heads, places, ...]
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / (width // self.heads) ** 0.5
        mixed = ops.matmul(ops.softmax(scores, axis=-1), value)
        return self.out(ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, places, width)))

    def compute_output_shape(self, shape: Any) -> Any:
        """As it is given."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """What Keras makes it of again."""
        return {**super().get_config(), "heads": self.heads}


@keras.saving.register_keras_serializable(package="trainwright")
class Positions(keras.layers.Layer):
    """Adds what is learned of every place: [batch, places, width] -> the same."""

    def build(self, shape: Any) -> None:
        """Make the weights for what it is given."""
        self.learned = self.add_weight(shape=shape[1:], initializer="random_normal", name="learned")

    def call(self, x: Any) -> Any:
        """Add them."""
        return x + ops.cast(self.learned, x.dtype)


@validate_call(config=STRICT)
def transformer(
    width: Size = 32,
    depth: Size = 2,
    heads: Size = 4,
    rows: Size = 8,
    columns: Size = 8,
    classes: Size = 10,
    dropout: Dropout = 0.0,
) -> Any:
    """An encoder with the norm before each layer, which reads an image row by row.

    Takes images [batch, 1, rows, columns], returns logits [batch, classes]. At the defaults 26k parameters.

    Raises:
        ConfigurationError: the width can't be split into so many heads.
    """
    if width % heads:
        raise ConfigurationError(f"spec.model.args.width: {width} must be a multiple of heads, {heads}")
    inputs = keras.Input((1, rows, columns))
    x = keras.layers.Dense(width)(keras.layers.Reshape((rows, columns))(inputs))
    x = Positions()(x)
    for _ in range(depth):
        x = keras.layers.Add()([x, Attention(heads)(keras.layers.LayerNormalization()(x))])
        y = keras.layers.Dense(4 * width, activation="gelu")(keras.layers.LayerNormalization()(x))
        x = keras.layers.Add()([x, keras.layers.Dropout(dropout)(keras.layers.Dense(width)(y))])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(classes)(x))
