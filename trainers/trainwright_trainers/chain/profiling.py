"""What is told of a profile, whatever the framework that recorded it."""

from collections.abc import Mapping

from trainwright.api.base import JsonObject

MOST_OPERATORS = 10
"""How many of them the result names, so that it fits a termination message."""
LONGEST_NAME = 60


def dearest(milliseconds: Mapping[str, float], calls: Mapping[str, int], steps: int) -> JsonObject:
    """For the result's details: the operations that took the most time.

    Args:
        milliseconds: by operation, the time that it took itself in all steps.
        calls: by operation, how often it ran in all steps.
        steps: that were recorded.
    """
    total = sum(milliseconds.values())
    return {
        "msPerStep": round(total / steps, 4),
        "operators": [
            {
                "name": name[:LONGEST_NAME],
                "callsPerStep": round(calls[name] / steps, 1),
                "msPerStep": round(milliseconds[name] / steps, 4),
                "share": round(milliseconds[name] / total, 4),
            }
            for name in ranked(milliseconds)[:MOST_OPERATORS]
        ],
    }


def ranked(milliseconds: Mapping[str, float]) -> list[str]:
    """The operations, dearest first."""
    return sorted(milliseconds, key=lambda name: milliseconds[name], reverse=True)
