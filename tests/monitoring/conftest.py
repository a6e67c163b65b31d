"""Fixtures of the tests of what watches trainwright."""

import pytest

from tests.monitoring.programs import require_prometheus


@pytest.fixture(scope="session")
def prometheus_programs() -> None:
    """They are there."""
    require_prometheus()
