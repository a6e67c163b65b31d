"""Types of the factories' arguments, which come from JSON."""

from typing import Annotated

from pydantic import ConfigDict, Field

STRICT = ConfigDict(strict=True)
"""A text is not a number: what the user wrote must have the type that is asked for."""

Size = Annotated[int, Field(ge=1, le=1_000_000)]
"""A number of channels, classes or units."""
Rate = Annotated[float, Field(ge=0, lt=1)]
"""Share of the values that dropout sets to zero."""
