"""What the tests of the trainers share."""

from contextlib import suppress

import pytest

from trainwright.local.ports import free_ports

with suppress(ModuleNotFoundError):
    import triton  # noqa: F401 - PyTorch's compiler, which can't be loaded any more once TensorFlow is: a crash


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nothing listens on."""
    (port,) = free_ports(1)
    return port
