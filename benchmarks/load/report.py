"""The table: what was wanted beside what was measured."""

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One number."""

    what: str
    measured: str
    wanted: str = ""


def show(title: str, rows: Sequence[Row]) -> None:
    """Prints the rows below a title, in columns."""
    what, measured = (max(len(row[column]) for row in rows) for column in (0, 1))
    print(f"\n{title}")
    for row in rows:
        wanted = f"wanted {row.wanted}" if row.wanted else ""
        print(f"  {row.what:<{what}}  {row.measured:>{measured}}  {wanted}".rstrip(), flush=True)


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{1000 * seconds:.1f} ms"


def mebibytes(count: int) -> str:
    """Bytes as mebibytes."""
    return f"{count / (1 << 20):.0f} MiB"
