"""The S3 endpoint over TLS."""

import os

import boto3
from botocore.config import Config

from harness.site import SECRET


def test_clients_speak_https_when_a_certificate_is_set(make_pair):
    pair = make_pair()
    for site in pair.sites:
        # One setting: a file with certificate and key.
        parts = [pair.certs / f"{site.name}.{kind}" for kind in ("pem", "key")]
        both = site.folder / "s3.pem"
        both.touch(0o600)
        both.write_text("".join(part.read_text() for part in parts))
        site.set("s3.tls_cert", "s3.pem")
    pair.start()
    client = boto3.client(
        "s3",
        endpoint_url=f"https://localhost:{pair.east.s3_port}",
        aws_access_key_id="root",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        verify=str(pair.certs / "ca.pem"),
        config=Config(retries={"max_attempts": 1}),
    )
    client.create_bucket(Bucket="secure")
    # Over HTTPS boto3 does not sign the body; it sends it in chunks with a checksum behind it.
    body = os.urandom(3_000_000)
    client.put_object(Bucket="secure", Key="k", Body=body)
    assert client.get_object(Bucket="secure", Key="k")["Body"].read() == body
