"""Prometheus' programs, for the tests that need them."""

import os

import pytest

from testbed import BinariesMissingError
from testbed.prometheus import find_prometheus


def require_prometheus() -> None:
    """Where they can't be had the test is skipped, but on CI that is an error."""
    try:
        find_prometheus()
    except BinariesMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
