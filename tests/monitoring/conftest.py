"""Prometheus' programs, for the tests that need them."""

import os

import pytest

from testbed import BinariesMissingError
from testbed.prometheus import find_prometheus


@pytest.fixture(scope="session")
def prometheus_programs() -> None:
    """Where they can't be had the tests are skipped, but on CI that is an error."""
    try:
        find_prometheus()
    except BinariesMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
