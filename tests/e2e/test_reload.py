"""A running site takes on changed settings and certificates, by itself or on SIGHUP."""

import os
import shutil
import signal
import socket
import ssl
import threading

import boto3
import pytest
from botocore.config import Config

from harness.proxy import Proxy
from harness.same import until_same
from harness.site import SECRET, make_certs
from harness.until import until


def shown_at(port, ca, pair=None):
    """The certificate that somebody who connects now is shown."""
    context = ssl.create_default_context(cafile=ca)
    if pair:
        context.load_cert_chain(*pair)
    tcp = socket.create_connection(("127.0.0.1", port), timeout=5)
    with context.wrap_socket(tcp, server_hostname="localhost") as stream:
        return stream.getpeercert(binary_form=True)


def place(source, target):
    """Puts a file where another was, at once."""
    new = target.with_suffix(".new")
    shutil.copy(source, new)
    os.replace(new, target)


def made(folder, names, authority=None):
    """New certificates for these names, of a CA that is there already or of a new one."""
    folder.mkdir()
    for name in ["ca.pem", "ca.key"] if authority else []:
        shutil.copy(authority / name, folder / name)
    return make_certs(folder, *names)


class Load:
    """Writes at one site and reads at the other, over and over, and keeps what failed."""

    def __init__(self, pair, bucket):
        self.pair, self.bucket, self.failures, self.written = pair, bucket, [], 0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(f,)) for f in (self.put, self.get)]

    def __enter__(self):
        pair = self.pair
        pair.east.client().create_bucket(Bucket=self.bucket)
        pair.east.client().put_object(Bucket=self.bucket, Key="steady", Body=b"steady")
        until_same(pair.east.client(), pair.west.client(), self.bucket)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def run(self, step):
        east, west = self.pair.east.client(), self.pair.west.client()
        while not self.ended.is_set():
            try:
                step(east, west)
            except Exception as error:  # noqa: BLE001 - any is one too many
                self.failures.append(error)

    def put(self, east, _):
        key = f"{self.written % 100}"
        east.put_object(Bucket=self.bucket, Key=key, Body=os.urandom(100_000))
        self.written += 1

    def get(self, _, west):
        body = west.get_object(Bucket=self.bucket, Key="steady")["Body"].read()
        assert body == b"steady"

    def goes_on(self):
        """More is written, and it arrives."""
        written = self.written
        until(lambda: self.written > written + 20, "writes go on")
        key = f"mark-{written}"
        self.pair.east.client().put_object(Bucket=self.bucket, Key=key, Body=b"x")
        west = self.pair.west.client()
        until(lambda: west.head_object(Bucket=self.bucket, Key=key), "replication goes on")


@pytest.fixture
def proxied(make_pair):
    """A pair whose link goes through a proxy, so that it can be cut."""
    pair = make_pair()
    proxy = Proxy(pair.east.link_port)
    pair.west.origin = (pair.east.name, proxy.port)
    yield pair.start(), proxy
    proxy.close()


def test_link_certificates_are_rotated_under_load_without_an_error(proxied, tmp_path):
    pair, proxy = proxied
    names = [site.name for site in pair.sites]
    east, west, ca = pair.east, pair.west, pair.certs / "ca.pem"
    mine = (pair.certs / f"{west.name}.pem", pair.certs / f"{west.name}.key")
    before = shown_at(east.link_port, ca, mine)
    with Load(pair, "rotated") as load:
        new = made(tmp_path / "rotated", names, authority=pair.certs)
        for name in names:
            place(new / f"{name}.key", pair.certs / f"{name}.key")
            place(new / f"{name}.pem", pair.certs / f"{name}.pem")
        until(lambda: shown_at(east.link_port, ca, mine) != before, "the new one is shown")
        until(lambda: west.metric("config_reloads_total", outcome="done") == 1, "both have it")
        proxy.cut()
        load.goes_on()
    assert load.failures == []
    expiry = east.metric("certificate_expiry_timestamp_seconds", certificate="link")
    assert expiry > 4_000_000_000


def test_a_ca_is_replaced_step_by_step_under_load_without_an_error(pair, tmp_path):
    names = [site.name for site in pair.sites]
    ca = pair.certs / "ca.pem"
    with Load(pair, "replaced") as load:
        new = made(tmp_path / "replaced", names)
        (tmp_path / "both.pem").write_text(ca.read_text() + (new / "ca.pem").read_text())
        place(tmp_path / "both.pem", ca)
        for site in pair.sites:
            site.reload()
        for name in names:
            place(new / f"{name}.key", pair.certs / f"{name}.key")
            place(new / f"{name}.pem", pair.certs / f"{name}.pem")
        for site in pair.sites:
            site.reload()
        load.goes_on()
        # The standing connection is the old CA's: it ends, and the next one is the new CA's.
        place(new / "ca.pem", ca)
        pair.west.reload()
        pair.east.reload()
        until(lambda: "link closed" in pair.east.log.read_text(), "the old CA counts no more")
        load.goes_on()
    assert load.failures == []


def test_a_name_off_the_list_is_cut_off_and_comes_back(pair):
    east, west = pair.east, pair.west
    east.client().create_bucket(Bucket="listed")
    east.client().put_object(Bucket="listed", Key="before", Body=b"1")
    until_same(east.client(), west.client(), "listed")
    east.allow("link refused.*`link.allow`")
    east.set("link.allow", ["somebody-else"])
    east.write_config()
    until(lambda: "link closed" in east.log.read_text(), "the standing connection ends", 15)
    until(lambda: west.metric("link_connected") == 0, "the change feed is gone")
    east.client().put_object(Bucket="listed", Key="during", Body=b"2")
    until(lambda: "link refused" in east.log.read_text(), "it knocks in vain")
    keys = [entry["Key"] for entry in west.client().list_objects_v2(Bucket="listed")["Contents"]]
    assert keys == ["before"]
    east.set("link.allow", [west.name])
    east.write_config()
    until_same(east.client(), west.client(), "listed")


def test_new_https_connections_see_the_new_certificate(make_pair, tmp_path):
    pair = make_pair()
    east = pair.east
    cert, key = east.folder / "s3.pem", east.folder / "s3.key"
    for name, path in (("pem", cert), ("key", key)):
        shutil.copy(pair.certs / f"{east.name}.{name}", path)
    east.set("s3.tls_cert", "s3.pem")
    east.set("s3.tls_key", "s3.key")
    pair.start()
    client = boto3.client(
        "s3",
        endpoint_url=f"https://localhost:{east.s3_port}",
        aws_access_key_id="root",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        verify=str(pair.certs / "ca.pem"),
        config=Config(retries={"max_attempts": 1}),
    )
    client.create_bucket(Bucket="secure")
    ca = pair.certs / "ca.pem"
    before = shown_at(east.s3_port, ca)
    new = made(tmp_path / "new", [east.name], authority=pair.certs)
    place(new / f"{east.name}.key", key)
    place(new / f"{east.name}.pem", cert)
    until(lambda: shown_at(east.s3_port, ca) != before, "the new certificate is shown")
    client.put_object(Bucket="secure", Key="k", Body=b"over the connection from before")
    assert "s3.tls_cert, s3.tls_key" in east.log.read_text()


def test_a_broken_file_changes_nothing_and_is_told_once(pair):
    east = pair.east
    wrong = "new configuration is not taken on"
    east.allow(wrong)
    good = east.config.read_text()
    east.config.write_text(good + "[log]\nlevel = \"loud\"\n")
    until(lambda: wrong in east.log.read_text(), "what is wrong is told")
    line = next(line for line in east.log.read_text().splitlines() if wrong in line)
    assert "ERROR" in line and "site.toml:" in line and "`log.level`" in line
    east.client().create_bucket(Bucket="as-before")
    assert east.metric("config_reloads_total", outcome="failed") == 1
    # Other certificates that are good do not come in with it, and a bad one is named.
    east.config.write_text(good)
    until(lambda: "in order again" in east.log.read_text(), "it is mended")
    cert = pair.certs / f"{east.name}.pem"
    (cert.with_suffix(".new")).write_text("not a certificate")
    os.replace(cert.with_suffix(".new"), cert)
    east.process.send_signal(signal.SIGHUP)
    until(lambda: east.log.read_text().count(wrong) == 2, "the certificate is told of")
    line = [line for line in east.log.read_text().splitlines() if wrong in line][-1]
    assert "site.toml:" in line and "`link.cert`" in line and cert.name in line
    pair.west.allow(wrong)
    east.client().put_object(Bucket="as-before", Key="k", Body=b"x")
    until(lambda: pair.west.client().head_object(Bucket="as-before", Key="k"), "the link stands")


def test_sighup_takes_on_what_can_be_and_names_what_needs_a_restart(pair):
    east = pair.east
    east.set("log.level", "debug")
    east.set("s3.connections_max", 77)
    east.reload()
    text = east.log.read_text()
    assert "changed settings are in force keys=\"s3.connections_max, log.level\"" in text
    east.allow("changed settings count from the next start on")
    east.set("s3.region", "eu-west-1")
    east.reload()
    line = [line for line in east.log.read_text().splitlines() if "next start" in line]
    assert len(line) == 1 and "WARN" in line[0] and "s3.region" in line[0]
    east.reload()
    assert east.metric("config_reloads_total", outcome="done") == 1
    assert east.metric("config_reloads_total", outcome="unchanged") == 2


def test_no_secret_is_ever_shown(make_pair):
    pair = make_pair()
    east = pair.east
    east.set("log.level", "debug")
    pair.start()
    east.client().create_bucket(Bucket="quiet")
    east.allow("new configuration is not taken on", "others can read it")
    text = east.config.read_text()
    hidden = "4711471147114711"
    east.config.write_text(text.replace(f'"{SECRET}"', hidden))
    east.config.chmod(0o644)
    until(lambda: "not taken on" in east.log.read_text(), "a secret of a wrong type is told of")
    check = east.run(east.binary(), "config", "check", "--config", east.config, code=2)
    assert "`s3.root_secret_key`: must be a text in quotes" in check.stderr
    east.config.write_text(text)
    check = east.run(east.binary(), "config", "check", "--config", east.config)
    assert "others can read it (mode 644)" in check.stderr
    shown = check.stderr + check.stdout + east.log.read_text() + east.get("/metrics")[1]
    assert hidden not in shown and SECRET not in shown
