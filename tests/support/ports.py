"""Ports for processes that a test starts, or on which nothing shall listen.

Below those that systems give to outgoing connections (Linux: from 32768, others: from 49152): one of these could be taken
by any connection between the look and the process that binds it, or be a connection's own end.
"""

import random
import socket

_PORTS = range(10_000, 32_000)
_random = random.SystemRandom()


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many, one after the other."""
    while True:
        first = _random.randrange(_PORTS.start, _PORTS.stop - count)
        ports = list(range(first, first + count))
        if all(map(_is_free, ports)):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
