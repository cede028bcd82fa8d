"""Ports that a broker can keep while it is down."""

import contextlib
import random
import socket
from pathlib import Path

from failure import Failure
from metadata import HOST


def free_ports(count):
    """Free now, and outside the range that the system gives to outgoing connections: otherwise such a connection,
    even a client's own retry, could take the port of a stopped broker and keep it from starting again.
    """
    try:
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except OSError:
        low, high = 32768, 60999
    candidates = [p for p in range(10000, 65000) if not low <= p <= high] or list(range(10000, 65000))
    random.shuffle(candidates)
    with contextlib.ExitStack() as held:
        ports = []
        for port in candidates:
            with contextlib.suppress(OSError):
                holder = held.enter_context(socket.socket())
                holder.bind((HOST, port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise Failure(f"no {count} free ports on {HOST}")
