"""Axes: where on the drawing a value lies, and which values are written beside it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LOG_FROM_RATIO = 50
"""Positive values that differ by such a factor are drawn on a logarithmic axis."""
SMALLEST_LOG = 1e-30
"""A value below it is too near to zero for a logarithmic axis."""


@dataclass(frozen=True)
class Scale:
    """A straight or logarithmic axis.

    Attributes:
        low, high: values at its ends; they differ.
        start, end: where on the drawing its ends are.
        log: whether equal distances are equal ratios.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where the value lies on the drawing."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, about: int) -> list[float]:
        """Round values on the axis, about so many of them."""
        return _log_ticks(self.low, self.high, about) if self.log else _ticks(self.low, self.high, about)


def fit(values: Iterable[float], start: float, end: float, *, may_be_log: bool = False, margin: float = 0.04) -> Scale:
    """An axis that holds all values, with a little room at both ends.

    Args:
        values: at least one.
        start: where on the drawing the lower end is.
        end: where the upper end is.
        may_be_log: whether a logarithmic axis makes sense.
        margin: the room at each end, as a share of the values' range.
    """
    values = list(values)
    low, high = min(values), max(values)
    if may_be_log and low > SMALLEST_LOG and high / low >= LOG_FROM_RATIO:
        room = (high / low) ** margin
        return Scale(low / room, high * room, start, end, log=True)
    room = (high - low) * margin
    if high - low <= 1e-9 * max(abs(high), abs(low)):  # all are the same
        room = abs(high) * 0.1 or 1.0
    return Scale(low - room, high + room, start, end)


def _ticks(low: float, high: float, about: int) -> list[float]:
    rough = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [0.0 if index == 0 else index * step for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, about: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first > 2 else (1, 2, 5)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    ticks = [tick for tick in ticks if low <= tick <= high]
    return ticks[:: max(math.ceil(len(ticks) / about), 1)]
