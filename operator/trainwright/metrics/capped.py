"""Bounds what a label can cost: a server of metrics pays for every value that a label ever had."""

OTHER = "other"
"""What stands for every value beyond the cap."""


class CappedValues:
    """The first so many values of a label as they are, and one word for all others.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value itself, or `other`."""
        if value not in self._known and len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value
