"""The Keras models that ship with the trainer."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.tensorflow import steps  # noqa: F401 - how TensorFlow is to be loaded

IMAGES = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of Keras itself
def test_a_model_with_a_layer_of_its_own_saves_and_loads(tmp_path: Path) -> None:
    import keras

    from trainwright_trainers.tensorflow.models import transformer

    model = transformer(width=16, depth=1, heads=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    assert model(IMAGES).shape == (3, 10)


def test_attention_mixes_all_places_and_treats_them_alike() -> None:
    import keras

    from trainwright_trainers.tensorflow.models.transformer import Attention

    places = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    keras.utils.set_random_seed(0)
    layer = Attention(2)
    answers = np.asarray(layer(places))
    np.testing.assert_allclose(layer(places[:, ::-1]), answers[:, ::-1], atol=1e-5)
    moved = places.copy()
    moved[:, 0] += 1
    assert (np.abs(np.asarray(layer(moved)) - answers).max(axis=-1) > 1e-6).all()


def test_a_residual_network_takes_images_of_any_size_and_has_what_it_says() -> None:
    from trainwright_trainers.tensorflow.models import resnet

    model = resnet()
    assert model(IMAGES).shape == (3, 10)
    assert model(np.zeros((1, 1, 28, 28), np.float32)).shape == (1, 10)
    assert round(model.count_params(), -3) == 78_000


def test_arguments_that_fit_no_model_are_refused() -> None:
    from trainwright_trainers.tensorflow.models import resnet, transformer

    with pytest.raises(ConfigurationError, match=r"args\.width: 10 must be a multiple of heads, 4"):
        transformer(width=10)
    with pytest.raises(ValidationError):
        resnet(widths=[])
