"""Free TCP ports on the loopback address."""

import random
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
# Below the ports that the kernel hands to whoever doesn't ask for a certain one: any outgoing connection could get a
# port of those between its choice and its use. Even that of a client which waits for the very server: it would connect
# to itself.
_RANGE = range(20_000, 30_000)


def free_ports(count: int, apart_from: Collection[int] = ()) -> list[int]:
    """Ports in a row that nothing listens on now.

    Args:
        count: how many.
        apart_from: ports that are not to be among them.

    Raises:
        OSError: there are not so many.
    """
    starts = _RANGE[: 1 - count or None]
    for start in random.sample(starts, len(starts)):
        ports = range(start, start + count)
        if not any(port in apart_from for port in ports) and all(map(_is_free, ports)):
            return list(ports)
    raise OSError(f"no {count} free ports in a row from {_RANGE.start} to {_RANGE.stop - 1}")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
