"""Words for a name that is unknown."""

from collections.abc import Iterable
from difflib import get_close_matches


def near_names(name: str, known: Iterable[str]) -> str:
    """What the user may have meant: the nearest names, or all of them when none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(by_lower[candidate] for candidate in near)}?"
    return f"known are {', '.join(sorted(by_lower.values()))}"
