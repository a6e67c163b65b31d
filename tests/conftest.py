"""What holds for the whole suite."""

import pytest

from tests.promises import Promises


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option for those who look for a capability's test."""
    parser.addoption("--capabilities", action="store_true", help="tell which capabilities the tests ran, and which not")


def pytest_configure(config: pytest.Config) -> None:
    """Watches what is run."""
    config.pluginmanager.register(Promises(config))
