"""What one client may take of the S3 endpoint, and what it is told beyond that."""

import http.client
import select
import socket

import pytest
from botocore.exceptions import ClientError

from harness.until import until


@pytest.fixture
def limited(make_pair):
    """Starts a site with these limits of `[s3]`."""

    def start(**limits):
        pair = make_pair()
        for key, value in limits.items():
            pair.east.set(f"s3.{key}", value)
        return pair.east.start()

    return start


def slowed(call):
    """The answer to a call that is told to slow down."""
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    assert answer["Error"]["Code"] == "SlowDown", answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    return answer["ResponseMetadata"]["HTTPHeaders"]


def until_slowed(call):
    """Calls until it is told to slow down."""

    def once():
        try:
            call()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "SlowDown"
            return error.response["ResponseMetadata"]["HTTPHeaders"]

    return until(once, "the limit is met")


def test_a_client_that_asks_too_fast_is_told_when_to_come_again(limited):
    site = limited(requests_per_second=2, requests_burst=20)
    client = site.client()
    headers = until_slowed(client.list_buckets)
    assert headers["retry-after"] == "1"
    until(client.list_buckets, "it is let in again")
    assert site.metric("s3_limited_total", limit="requests") >= 1
    # Clients that retry by themselves, as they all do, never see it.
    patient = site.client(retries={"max_attempts": 10, "mode": "standard"})
    for _ in range(5):
        patient.list_buckets()
    site.unset("s3.requests_per_second")
    site.unset("s3.requests_burst")
    site.reload()
    for _ in range(50):
        client.list_buckets()


def test_connections_beyond_a_clients_share_are_answered_and_closed(limited):
    site = limited(connections_per_client_max=3)
    held = [socket.create_connection(("127.0.0.1", site.s3_port)) for _ in range(3)]
    headers = slowed(site.client().list_buckets)
    assert headers["retry-after"] == "1" and headers["connection"] == "close"
    assert site.metric("s3_limited_total", limit="connections_per_client") >= 1
    for connection in held:
        connection.close()
    until(lambda: site.client().list_buckets(), "there is room again")


def test_when_all_connections_are_taken_the_next_one_waits(limited):
    site = limited(connections_max=2, connections_per_client_max=2)
    connect = lambda: socket.create_connection(("127.0.0.1", site.s3_port), timeout=30)
    held = [connect() for _ in range(2)]
    # Connected, which the kernel does, and asked before there is a place for it.
    waiting = connect()
    waiting.sendall(b"GET / HTTP/1.1\r\nHost: towline\r\n\r\n")
    assert select.select([waiting], [], [], 0)[0] == [], "nobody has answered"
    held[0].close()
    assert waiting.recv(12) == b"HTTP/1.1 403", "only the signature is missing"
    assert site.metric("s3_limited_total", limit="connections") >= 1
    waiting.close()
    held[1].close()


def test_nobody_takes_every_connection(limited):
    site = limited(connections_max=4)
    connect = lambda: socket.create_connection(("127.0.0.1", site.s3_port), timeout=30)
    held = [connect() for _ in range(2)]
    slowed(site.client().list_buckets)
    # 127.0.0.2 is another client.
    other = socket.create_connection(("127.0.0.1", site.s3_port), 30, ("127.0.0.2", 0))
    other.sendall(b"GET / HTTP/1.1\r\nHost: towline\r\n\r\n")
    assert other.recv(12) == b"HTTP/1.1 403", "only the signature is missing"
    for connection in [*held, other]:
        connection.close()


def test_a_head_that_is_too_large_is_an_error_that_says_so(limited):
    site = limited(header_bytes_max="16KiB")

    def ask(size):
        connection = http.client.HTTPConnection("127.0.0.1", site.s3_port, timeout=10)
        connection.request("GET", "/", headers={"x-amz-meta-large": "a" * size})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    status, text = ask(20_000)
    assert status == 400 and "<Code>RequestHeaderSectionTooLarge</Code>" in text, text
    assert "16384" in text
    assert ask(10_000)[0] == 403, "only the signature is missing"
    assert site.metric("s3_limited_total", limit="header_bytes") == 1
    site.set("s3.header_bytes_max", "64KiB")
    site.reload()
    assert ask(20_000)[0] == 403
