"""Asks one broker which brokers are alive: a single Metadata request of the Kafka protocol.

In place of Kafka's own tools, each call of which starts a Java process for a second or two.
"""

import socket
import ssl
import struct

HOST = "127.0.0.1"
SECONDS = 2
RESPONSE_BYTES_MAX = 1 << 20
METADATA, VERSION = 3, 4


def live_brokers(port, tls):
    """Ids of the registered, unfenced brokers as this one knows them; OSError or struct.error if it does not answer."""
    client = b"cluster"
    # Header: API, version, correlation id, client id. Body: no topics, create none.
    request = struct.pack(">hhih", METADATA, VERSION, 1, len(client)) + client + struct.pack(">i?", 0, False)
    with connect(port, tls) as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", read(link, 4))
        if not 0 <= size <= RESPONSE_BYTES_MAX:
            raise OSError(f"response of {size} bytes")
        return parse(read(link, size))


def connect(port, tls):
    link = socket.create_connection((HOST, port), timeout=SECONDS)
    if not tls:
        return link
    context = ssl.create_default_context(cafile=tls["ca"])
    context.load_cert_chain(tls["cert"], tls["key"])
    return context.wrap_socket(link, server_hostname=HOST)


def read(link, size):
    data = b""
    while len(data) < size:
        piece = link.recv(size - len(data))
        if not piece:
            raise OSError("connection closed")
        data += piece
    return data


def parse(response):
    """Skips correlation id and throttle time; a broker is id, host, port, rack (null: length -1)."""
    (count,), at, ids = struct.unpack_from(">i", response, 8), 12, []
    for _ in range(count):
        node, host = struct.unpack_from(">ih", response, at)
        at += 6 + host + 4
        (rack,) = struct.unpack_from(">h", response, at)
        at += 2 + max(rack, 0)
        ids.append(node)
    return ids
