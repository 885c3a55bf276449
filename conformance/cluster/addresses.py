"""Addresses on this machine that nobody listens at."""

import contextlib
import random
import socket

_PORTS = range(10000, 30000)


def free_addresses(number: int) -> list[str]:
    """Return so many addresses, all different.

    They are below the ports that systems give to outgoing connections, so that none of these takes the
    port of a killed process before its next life does.
    """
    found: list[str] = []
    with contextlib.ExitStack() as held:
        while len(found) < number:
            port = random.SystemRandom().choice(_PORTS)
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(f"127.0.0.1:{port}")
    return found
