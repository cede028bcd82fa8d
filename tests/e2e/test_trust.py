"""Who may speak with a site, and a site whose past is not what others know."""

import shutil
import socket
import ssl

import pytest
from botocore.exceptions import ClientError

from harness.same import until_same
from harness.site import Site, make_certs
from harness.until import until


def handshake(port, ca, cert=None, key=None):
    """Connects to a link as a peer does; what the other end says to the first bytes."""
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    if cert:
        context.load_cert_chain(str(cert), str(key))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as tcp:
        with context.wrap_socket(tcp, server_hostname="localhost") as tls:
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            return tls.recv(100)


def refused(*arguments):
    """Whether a handshake ends without a single byte."""
    try:
        return handshake(*arguments) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def test_nobody_without_the_right_certificate_gets_anything(pair, tmp_path):
    pair.east.allow("link refused")
    certs, port = pair.certs, pair.east.link_port
    foreign = make_certs(tmp_path / "foreign", pair.west.name)
    make_certs(certs, "north")
    ca, west = certs / "ca.pem", pair.west.name
    assert refused(port, ca), "no certificate"
    assert refused(port, ca, foreign / f"{west}.pem", foreign / f"{west}.key"), "a foreign one"
    assert refused(port, ca, certs / "north.pem", certs / "north.key"), "a name not on the list"
    assert not refused(port, ca, certs / f"{west}.pem", certs / f"{west}.key")
    until(lambda: "not in `link.allow`" in pair.east.log.read_text(), "the refusal is logged")


@pytest.mark.parametrize("mode", ["direct", "kafka"])
def test_a_store_from_a_backup_refuses_writes_and_says_what_to_do(make_pair, mode):
    pair = make_pair(mode).start()
    pair.east.allow("history is disputed", "publishing waits for the log")
    east = pair.east.client()
    east.create_bucket(Bucket="backup")
    east.put_object(Bucket="backup", Key="old", Body=b"in the backup")
    pair.east.stop()
    data = pair.east.folder / "data"
    shutil.copytree(data, pair.east.folder / "backup")
    pair.east.start()
    for n in range(20):
        east.put_object(Bucket="backup", Key=f"new/{n}", Body=b"not in the backup")
    until_same(east, pair.west.client(), "backup")
    pair.east.stop()
    shutil.rmtree(data)
    (pair.east.folder / "backup").rename(data)
    pair.east.start()
    ready = lambda: pair.east.get("/health/ready")
    status, text = until(lambda: ready() if ready()[0] == 503 else None, "the dispute is seen")
    assert "towline store new-epoch" in text
    with pytest.raises(ClientError) as refused:
        east.put_object(Bucket="backup", Key="lie", Body=b"")
    assert "towline store new-epoch" in refused.value.response["Error"]["Message"]
    assert east.get_object(Bucket="backup", Key="old")["Body"].read() == b"in the backup"

    # What the message says is what helps.
    pair.east.stop()
    run = [Site.binary(), "store", "new-epoch", "--config", pair.east.config]
    Site.run(*run)
    pair.west.allow('alarm while applying .*kind="new_epoch"')
    pair.east.start()
    until(lambda: pair.east.metric("history_depth_events") == 0, "the secondary follows again")
    east.put_object(Bucket="backup", Key="again", Body=b"a new epoch")
    west = pair.west.client()
    until(lambda: west.head_object(Bucket="backup", Key="again"), "it arrives")
    assert pair.east.get("/health/ready")[0] == 200


def test_a_site_with_another_class_key_parks_what_it_cannot_read_until_it_has_the_key(make_pair):
    pair = make_pair()
    pair.west.allow('alarm while applying .*kind="(parked|applier_stopped)"')
    other = pair.certs / "other.key"
    other.touch(0o600)
    other.write_text(f"default:{'ab' * 32}\n")
    pair.west.set("keys.file", str(other))
    pair.west.set("limits.parked_max", 1)
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    until(lambda: pair.west.metric("holes", reason="parked") == 1, "the event is parked")
    assert not west.list_buckets()["Buckets"]
    # One more of the same partition is one too many: nothing of it is handled.
    for n in range(64):
        east.put_object(Bucket="sealed", Key=f"{n}", Body=b"sealed")
    until(lambda: pair.west.metric("alarms_total", kind="applier_stopped") > 0, "it stops")

    # With the right key everything that was parked or waited is applied.
    pair.west.stop()
    pair.west.unset("keys.file")
    pair.west.start()
    until_same(east, west, "sealed")
    until(lambda: pair.west.metric("holes") == 0, "no hole is left")
