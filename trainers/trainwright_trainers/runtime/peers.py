"""Finding the other pods of a group."""

import socket
import time

from trainwright_trainers.runtime.stop import StopRequest

RESOLVE_SECONDS = 300.0
"""How long the name of the first pod may stay unknown: a headless Service publishes it when that pod has an address."""


def resolve(host: str, stop: StopRequest) -> bool:
    """Wait until the host's name is known; False when a stop was requested meanwhile.

    Raises:
        TimeoutError: it stayed unknown.
    """
    end = time.monotonic() + RESOLVE_SECONDS
    while not stop.requested:
        try:
            socket.getaddrinfo(host, None)
        except socket.gaierror as error:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"the name {host!r} of the first pod is unknown after {RESOLVE_SECONDS:g} s"
                ) from error
            time.sleep(1)
        else:
            return True
    return False
