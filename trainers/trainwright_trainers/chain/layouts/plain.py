"""The files as the converter wrote them."""

from pathlib import Path

from trainwright_trainers.chain.layouts.layout import Delivery


def lay_out_plain(directory: Path, delivery: Delivery) -> None:
    """Leave the files where they are."""
