"""What the tests of the trainers share."""

import socket
from contextlib import suppress

import pytest

with suppress(ModuleNotFoundError):
    import triton  # noqa: F401 - PyTorch's compiler, which can't be loaded any more once TensorFlow is: a crash


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
