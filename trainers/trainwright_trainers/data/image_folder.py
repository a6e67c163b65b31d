"""Images of the user's, in one folder a class."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, validate_call

from trainwright_trainers.data.splits import Array, Splits, Subset
from trainwright_trainers.data.splitting import cut
from trainwright_trainers.runtime.arguments import STRICT, Count, Share
from trainwright_trainers.runtime.errors import ConfigurationError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Files that are images."""


@dataclass(frozen=True)
class Images:
    """Images that are decoded when they are read."""

    files: list[Path]
    labels: list[int]
    size: int
    """Height and width they are brought to, in pixels."""
    channels: int
    max_pixels: int
    """Height times width of a file at most: what a small file can claim to be, and then take in memory."""

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int, /) -> tuple[Array, np.int64]:
        """The image [channels, size, size] float32 from 0 to 1, and its label."""
        return _decode(self.files[index], self.size, self.channels, self.max_pixels), np.int64(self.labels[index])


@validate_call(config=STRICT)
def image_folder(
    path: str,
    size: Annotated[int, Field(ge=1, le=4096)] = 224,
    channels: Annotated[int, Field(ge=1, le=3)] = 3,
    validation: Share = 0.2,
    calibration: Count = 0,
    seed: int = 0,
    max_pixels: Annotated[int, Field(ge=1)] = 50_000_000,
) -> Splits:
    """The images in `path/<class>/`, whose labels count the classes' folders by name.

    Args:
        path: the folder of the classes' folders.
        size: height and width that images are brought to, in pixels, whatever their shape was.
        channels: 3 for colour, 1 for grey.
        validation: share for validation.
        calibration: number of images for calibration.
        seed: of the draw of these.
        max_pixels: height times width of an image at most.

    Raises:
        ConfigurationError: there are no such folders, or no image in one of them.
    """
    root = Path(path)
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    if not folders:
        raise ConfigurationError(
            f"spec.data.args.path: {path} must be a folder with one folder of images for each class"
        )
    if channels == 2:
        raise ConfigurationError("spec.data.args.channels: must be 1 (grey) or 3 (colour), got 2")
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        found = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
        if not found:
            raise ConfigurationError(f"spec.data.args.path: {folder} holds no image ({', '.join(sorted(SUFFIXES))})")
        files += found
        labels += [label] * len(found)
    images = Images(files, labels, size, channels, max_pixels)
    train, held_out, calibrating = cut(len(images), validation, calibration, seed)
    return Splits(
        Subset(images, train),
        Subset(images, held_out),
        Subset(images, calibrating) if calibration else None,
        preprocessing={
            "channels": "RGB" if channels == 3 else "grey",
            "height": size,
            "width": size,
            "layout": "NCHW",
            "resampling": "bicubic",
            "scale": 1 / 255,
            "labels": [folder.name for folder in folders],
        },
    )


def _decode(file: Path, size: int, channels: int, max_pixels: int) -> Array:
    from PIL import Image, UnidentifiedImageError  # slow to import

    try:
        with Image.open(file) as image:
            if image.width * image.height > max_pixels:
                raise ConfigurationError(
                    f"spec.data: {file} has {image.width} x {image.height} pixels; maxPixels allows {max_pixels}"
                )
            pixels = np.asarray(image.convert("RGB" if channels == 3 else "L").resize((size, size)), np.float32) / 255
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        raise ConfigurationError(f"spec.data: {file} is not an image that can be read: {error}") from error
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]
