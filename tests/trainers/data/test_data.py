"""Data sets: what they hold, that their splits are disjoint, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainwright_trainers.data import Arrays, Splits, batches, calibration_split, digits, image_folder, mnist5k, npz
from trainwright_trainers.data.splits import as_splits, read_batch
from trainwright_trainers.runtime.errors import ConfigurationError


def test_digits_are_scikit_learns() -> None:
    splits = digits()
    parts = [splits.train, splits.validation, splits.calibration]
    assert [len(part) for part in parts if part is not None] == [1238, 359, 200]
    inputs = np.concatenate([part.inputs for part in parts if isinstance(part, Arrays)])
    assert inputs.shape == (1797, 1, 8, 8)
    assert (inputs.dtype, inputs.min(), inputs.max()) == (np.float32, 0, 1)
    # Sums over all images, from the data set's own description: 4.884 of 16 a pixel on average.
    assert inputs.mean() * 16 == pytest.approx(4.884, abs=1e-3)
    labels = np.concatenate([part.targets for part in parts if isinstance(part, Arrays)])
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_splits_are_disjoint_and_drawn_by_the_seed() -> None:
    same, again, other = digits(seed=3), digits(seed=3), digits(seed=4)
    assert isinstance(same.train, Arrays)
    assert isinstance(again.train, Arrays)
    assert isinstance(other.train, Arrays)
    np.testing.assert_array_equal(same.train.inputs, again.train.inputs)
    assert not np.array_equal(same.train.inputs, other.train.inputs)
    assert _rows(same) == _rows(other)  # whatever the draw, every image is in one split


def _rows(splits: Splits) -> list[bytes]:
    return sorted(
        image.tobytes()
        for part in (splits.train, splits.validation, splits.calibration)
        if isinstance(part, Arrays)
        for image in part.inputs
    )


def test_mnist_has_500_images_a_digit() -> None:
    splits = mnist5k()
    labels = np.concatenate([part.targets for part in (splits.train, splits.validation, splits.calibration) if part])  # type: ignore[union-attr]
    assert np.bincount(labels).tolist() == [500] * 10
    assert splits.train[0][0].shape == (1, 28, 28)


def test_npz_takes_its_own_validation_split(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    rng = np.random.default_rng(0)
    np.savez(path, inputs=rng.random((20, 3)), targets=np.arange(20))
    cut = npz(str(path), validation=0.25, calibration=5)
    assert (len(cut.train), len(cut.validation), len(cut.calibration or [])) == (10, 5, 5)
    np.savez(
        path,
        inputs=rng.random((20, 3)),
        targets=np.arange(20),
        validation_inputs=rng.random((7, 3)),
        validation_targets=np.arange(7),
    )
    own = npz(str(path))
    assert (len(own.train), len(own.validation), own.calibration) == (20, 7, None)


def test_npz_refuses_pickles_and_bombs(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, inputs=np.array([{"a": 1}, None]), targets=np.arange(2))
    with pytest.raises(ConfigurationError, match="allow_pickle"):
        npz(str(path))
    np.savez_compressed(path, inputs=np.zeros((1000, 1000)), targets=np.arange(1000))
    assert path.stat().st_size < 100_000
    with pytest.raises(ConfigurationError, match="unpacks to 80"):
        npz(str(path), max_bytes=1_000_000)
    path.write_bytes(b"not a zip")
    with pytest.raises(ConfigurationError, match="can't be read"):
        npz(str(path))
    np.savez(path, x=np.zeros(3), targets=np.zeros(3))
    with pytest.raises(ConfigurationError, match="holds no 'inputs'; it holds targets, x"):
        npz(str(path))


def test_image_folder_reads_classes_by_name(tmp_path: Path) -> None:
    for label, shade in (("cat", 0), ("dog", 255)):
        (tmp_path / label).mkdir()
        for index in range(5):
            Image.new("RGB", (20, 10), (shade, shade, shade)).save(tmp_path / label / f"{index}.png")
    splits = image_folder(str(tmp_path), size=4, validation=0.4, calibration=2)
    assert (len(splits.train), len(splits.validation), len(splits.calibration or [])) == (4, 4, 2)
    for part in (splits.train, splits.validation, splits.calibration):
        assert part is not None
        inputs, targets = read_batch(part, range(len(part)))
        assert inputs.shape == (len(part), 3, 4, 4)
        assert inputs.dtype == np.float32
        np.testing.assert_array_equal(inputs[:, 0, 0, 0], targets)


def test_image_folder_refuses_what_it_cant_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one folder of images for each class"):
        image_folder(str(tmp_path))
    (tmp_path / "cat").mkdir()
    with pytest.raises(ConfigurationError, match="holds no image"):
        image_folder(str(tmp_path))
    for index in range(5):
        Image.new("L", (100, 100)).save(tmp_path / "cat" / f"{index}.png")
    with pytest.raises(ConfigurationError, match="100 x 100 pixels; maxPixels allows 50"):
        image_folder(str(tmp_path), max_pixels=50).train[0]
    for index in range(5):
        (tmp_path / "cat" / f"{index}.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ConfigurationError, match="not an image"):
        image_folder(str(tmp_path)).train[0]


def test_calibration_is_never_of_the_validation_split() -> None:
    train = Arrays(np.arange(50.0)[:, None], np.zeros(50))
    validation = Arrays(np.arange(50.0, 60)[:, None], np.zeros(10))
    own = Arrays(np.arange(60.0, 70)[:, None], np.zeros(10))
    for splits, allowed in ((Splits(train, validation), range(50)), (Splits(train, validation, own), range(60, 70))):
        chosen = calibration_split(splits, 8, seed=1)
        values = {int(chosen[index][0][0]) for index in range(len(chosen))}
        assert len(values) == 8
        assert values <= set(allowed)


def test_a_users_splits_may_be_written_in_several_ways() -> None:
    pair = np.zeros((4, 2)), np.zeros(4)
    forms: list[object] = [
        Splits(Arrays(*pair), Arrays(*pair)),
        {"train": pair, "validation": pair},
        (pair, pair),
        [pair, Arrays(*pair), pair],
    ]
    for form in forms:
        splits = as_splits(form)
        assert isinstance(splits.train, Arrays)
        assert len(splits.validation) == 4


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (None, "got NoneType"),
        ({"train": 1, "test": 2}, "keys ['test', 'train']"),
        ((1, 2), "train split must be a data set"),
        ((np.zeros((4, 2)), np.zeros(4)), "train split must be a data set"),
        (((np.zeros((4, 2)), np.zeros(3)), None), "(4, 2) and (3,)"),
        (((np.zeros((0, 2)), np.zeros(0)), None), "train split is empty"),
    ],
)
def test_other_forms_are_refused_with_what_came(made: object, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        as_splits(made)
    assert "spec.data.factory" in str(raised.value)
    assert words in str(raised.value)


def test_batches_cover_a_data_set_in_order() -> None:
    dataset = Arrays(np.arange(10), np.arange(10))
    found = [inputs.tolist() for inputs, _ in batches(dataset, 4)]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
