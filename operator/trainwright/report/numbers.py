"""Numbers as people read them."""

import math

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

MINUS = "\N{MINUS SIGN}"
UNCHANGED = "±0 %"
LARGEST = 1e30
"""Where numbers end: what is beyond it is no measurement, and too large for some arithmetic."""


def short(value: float) -> str:
    """Three digits that count, with a prefix from a thousand on: `1.36k`, `0.00300`, `0`."""
    value = _bounded(value)
    if value == 0:
        return "0"
    size = abs(value)
    for factor, prefix in _PREFIXES:
        if size >= factor * 0.9995:
            return f"{_digits(value / factor)}{prefix}"
    return f"{value:.1e}" if size < 1e-3 else _digits(value)


def size(value: float) -> str:
    """Bytes with a decimal prefix: `39.0 kB`."""
    return _with_unit(short(value), "B")


def tick(value: float, unit: str = "") -> str:
    """A round value beside an axis, with no more digits than it has: `732.5 MB`, `2,000`, `0.05`, `1e-04`."""
    factor, prefix = next((pair for pair in _PREFIXES if unit == "B" and abs(value) >= pair[0]), (1.0, ""))
    small = 0 < abs(value) < 1e-3 or abs(value) >= 1e6
    text = f"{value:.3g}" if small and not prefix else f"{value / factor:,.6g}"
    return f"{text} {prefix}{unit}" if unit else text


def milliseconds(value: float) -> str:
    """A time in milliseconds: `0.413 ms`."""
    return f"{_digits(value)} ms"


def share(value: float) -> str:
    """A share of one, to the fourth digit, as the status and the command line print an accuracy."""
    return f"{value:.4f}"


def duration(seconds: float) -> str:
    """A span of time: `4.2 s`, `3 min 20 s`, `5 h 2 min`, `3 d 4 h`."""
    seconds = _bounded(seconds)
    if seconds < 59.95:
        if seconds == round(seconds):
            return f"{seconds:.0f} s"
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h" if hour else f"{days} d"
    if hours:
        return f"{hours} h {minute} min" if minute else f"{hours} h"
    return f"{minutes} min {second} s" if second else f"{minutes} min"


def change(value: float, before: float) -> str:
    """By how many percent a value differs from the one before it, such as `+12 %`; empty when that says nothing."""
    value, before = _bounded(value), _bounded(before)
    if before == 0:
        return ""
    percent = 100 * (value - before) / abs(before)
    if abs(percent) < 0.5:
        return UNCHANGED
    return f"{'+' if percent > 0 else MINUS}{abs(percent):.0f} %"


def _bounded(value: float) -> float:
    return float(max(-LARGEST, min(value, LARGEST)))


def _with_unit(text: str, unit: str) -> str:
    """The unit joined to the number's prefix, after a space."""
    return f"{text[:-1]} {text[-1]}{unit}" if text[-1].isalpha() else f"{text} {unit}"


def _digits(value: float) -> str:
    """Three digits that count, or all those before the point."""
    if value == 0:
        return "0"
    places = max(2 - math.floor(math.log10(float(f"{abs(value):.3g}"))), 0)
    return f"{value:.{places}f}"
