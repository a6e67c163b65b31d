"""The log of a trainer's processes: one line an event, on standard error, with the rank in front."""

import logging
import sys

LOG = logging.getLogger("trainwright")


def configure(process: str) -> None:
    """Log from now on.

    Args:
        process: what this process is, such as `rank 0`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"%(asctime)s {process}: %(message)s", datefmt="%H:%M:%S"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
