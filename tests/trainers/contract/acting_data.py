"""Data that acts when it is read, as no framework can tell apart from other data.

It is told what to do by variables: in the process of rank AT_RANK, at the read number AT of a training sample, once for
each file ONCE.
"""

import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainwright_trainers.data import Splits, digits
from trainwright_trainers.runtime.group import PARENT_VARIABLE


class Acting:
    """Samples one by one; reading one of them does something."""

    def __init__(self, act: Callable[[], None], elsewhere: Callable[[], None] = lambda: None) -> None:
        """Samples.

        Args:
            act: what the process does that AT_RANK names.
            elsewhere: what the others do meanwhile.
        """
        self._samples = digits().train
        self._act, self._elsewhere = act, elsewhere
        self._reads = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int64]:
        with self._lock:
            self._reads += 1
            mark = Path(os.environ["ONCE"])
            here = os.environ.get("RANK", "0") == os.environ["AT_RANK"]
            if self._reads == int(os.environ["AT"]) and not here:
                self._elsewhere()
            elif self._reads == int(os.environ["AT"]) and not mark.exists():
                mark.touch()
                self._act()
        return self._samples[index]


def that_kills() -> Splits:
    """SIGKILL to the process."""
    return Splits(Acting(lambda: os.kill(os.getpid(), signal.SIGKILL)), digits().validation)


def that_kills_while_others_are_busy() -> Splits:
    """SIGKILL to the process, at a time when no other one talks with it."""

    def die() -> None:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    return Splits(Acting(die, lambda: time.sleep(60)), digits().validation)


def that_waits() -> Splits:
    """A process that doesn't get on."""
    return Splits(Acting(lambda: time.sleep(600)), digits().validation)


def that_stops() -> Splits:
    """SIGTERM to the pod's entry point, twice, as an impatient user does it."""

    def stop() -> None:
        for _ in range(2):
            os.kill(int(os.environ[PARENT_VARIABLE]), signal.SIGTERM)
        time.sleep(0.5)  # what the entry point takes to notice

    return Splits(Acting(stop), digits().validation)


def that_tells_of_nccl() -> Splits:
    """Leaves word how verbose NCCL is to be."""
    return Splits(
        Acting(lambda: Path(os.environ["ONCE"]).write_text(os.environ.get("NCCL_DEBUG", ""))), digits().validation
    )


def that_scrapes() -> Splits:
    """Reads /metrics as Prometheus would."""

    def scrape() -> None:
        address = f"http://127.0.0.1:{os.environ['TRAINWRIGHT_METRICS_PORT']}/metrics"
        for _ in range(600):
            try:
                with urllib.request.urlopen(address) as reply:
                    Path(os.environ["ONCE"]).write_bytes(reply.read())
                return
            except OSError:
                time.sleep(0.1)

    return Splits(Acting(scrape), digits().validation)
