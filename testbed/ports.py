"""Free TCP ports on the loopback address."""

import random
import socket
from contextlib import ExitStack

# Below the ports that the kernel hands to outgoing connections: while the API server is down for a restart, a client
# that keeps trying would otherwise end up with that very port as its own end, and connect to itself.
_RANGE = range(20_000, 30_000)


def free_ports(count: int) -> list[int]:
    """`count` different ports that nothing listens on now."""
    ports: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_RANGE, len(_RANGE)):
            if len(ports) == count:
                break
            listener = held.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    if len(ports) < count:
        raise OSError(f"only {len(ports)} free ports in {_RANGE}, {count} needed")
    return ports
