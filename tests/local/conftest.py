"""Fixtures that leave no process behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.runs import Run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts runs in the test's directory; what is left of them at its end is ended."""
    runs: list[Run] = []

    def begin(body: dict[str, Any], *options: str) -> Run:
        runs.append(Run(tmp_path, body, *options))
        return runs[-1]

    yield begin
    for run in runs:
        run.end()
