"""Types of the arguments of models' and data's factories, which come from JSON."""

from typing import Annotated

from pydantic import ConfigDict, Field

STRICT = ConfigDict(strict=True)
"""A text is not a number: what the user wrote must have the type that is asked for."""

Size = Annotated[int, Field(ge=1, le=1_000_000)]
"""A number of channels, classes or units."""

Dropout = Annotated[float, Field(ge=0, lt=1)]
"""Share of the values that are zeroed in training."""

Share = Annotated[float, Field(gt=0, lt=1)]
"""Share of the samples that is kept for validation."""

Count = Annotated[int, Field(ge=0, le=1_000_000)]
"""A number of samples."""
