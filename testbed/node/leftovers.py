"""What a process that was killed leaves behind has its id in the name, so that whoever comes next can remove it."""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from testbed.controlplane import DIRECTORY_PREFIX


def abandoned(paths: Iterable[Path], prefix: str) -> Iterator[Path]:
    """Those of the paths whose name is the prefix and the id of a process that is no more."""
    for path in paths:
        owner = re.match(rf"{re.escape(prefix)}(\d+)(-|$)", path.name)
        if owner and not Path("/proc", owner.group(1)).exists():
            yield path


def remove_directories() -> None:
    """Removes the logs, data and volumes of clusters whose process is no more."""
    for path in abandoned(Path(tempfile.gettempdir()).iterdir(), DIRECTORY_PREFIX):
        shutil.rmtree(path, ignore_errors=True)
