"""Arrays in a NumPy archive of the user's."""

import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, validate_call

from trainwright_trainers.data.splits import Array, Arrays, Splits
from trainwright_trainers.data.splitting import split_arrays
from trainwright_trainers.runtime.arguments import STRICT, Count, Share
from trainwright_trainers.runtime.errors import ConfigurationError


@validate_call(config=STRICT)
def npz(
    path: str,
    inputs: str = "inputs",
    targets: str = "targets",
    validation: Share = 0.2,
    calibration: Count = 0,
    seed: int = 0,
    max_bytes: Annotated[int, Field(ge=1)] = 8 << 30,
) -> Splits:
    """The arrays `inputs` and `targets` of a .npz file, with one sample for each index of the first dimension.

    Where the file also holds `validation_<inputs>` and `validation_<targets>`, they are the validation split; else a
    share of the samples is. The same holds for `calibration_`.

    Args:
        path: the file.
        inputs: name of the inputs' array in it.
        targets: name of the targets' array in it.
        validation: share for validation.
        calibration: number of samples for calibration.
        seed: of the draw of these.
        max_bytes: size of the arrays together, unpacked, at most.

    Raises:
        ConfigurationError: there is no such file, it isn't what is expected, or it is too large.
    """
    arrays = _read(Path(path), max_bytes)
    for name in (inputs, targets):
        if name not in arrays:
            raise ConfigurationError(f"spec.data.args: {path} holds no {name!r}; it holds {', '.join(sorted(arrays))}")
    own = _split(arrays, "validation", inputs, targets), _split(arrays, "calibration", inputs, targets)
    if own[0] is not None:
        return Splits(Arrays(arrays[inputs], arrays[targets]), own[0], own[1])
    return split_arrays(arrays[inputs], arrays[targets], validation, calibration, seed)


def _split(arrays: dict[str, Array], split: str, inputs: str, targets: str) -> Arrays | None:
    names = f"{split}_{inputs}", f"{split}_{targets}"
    return Arrays(arrays[names[0]], arrays[names[1]]) if all(name in arrays for name in names) else None


def _read(path: Path, max_bytes: int) -> dict[str, Array]:
    """Every array of the archive; nothing of it is unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > max_bytes:
            raise ConfigurationError(
                f"spec.data.args.path: {path} unpacks to {size} bytes; maxBytes allows {max_bytes}"
            )
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"spec.data.args.path: {path} can't be read as .npz of numbers: {error}") from error
