"""Server-side encryption: written at the primary, read at both sites, and nowhere in the clear."""

import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from harness.same import until_same
from harness.until import until
from harness.uploads import complete

MIB = 1 << 20
PART = 5 * MIB
# What no ciphertext has in it by chance.
MARK = b"this sentence must not lie on any disk in the clear; "

SSE_S3 = {"ServerSideEncryption": "AES256"}
KINDS = ["none", "sse-s3", "sse-c", "another sse-c"]


def own(key):
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes([key]) * 32}


def of_source(key):
    return {f"CopySource{name}": value for name, value in own(key).items()}


def write(kind):
    """The arguments with which a body is written."""
    return {"none": {}, "sse-s3": SSE_S3, "sse-c": own(1), "another sse-c": own(2)}[kind]


def read(kind):
    """Those with which it is read."""
    return write(kind) if "sse-c" in kind else {}


def source(kind):
    """Those with which it is copied."""
    return {"sse-c": of_source(1), "another sse-c": of_source(2)}.get(kind, {})


def code(call, **arguments):
    """The code that a call is refused with, if it is; of a HEAD the status, since it has no body."""
    try:
        call(**arguments)
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return None


def marked(length):
    return (MARK * (length // len(MARK) + 1))[:length]


def body_of(site, key, kind, **more):
    answer = site.get_object(Bucket="sealed", Key=key, **read(kind), **more)
    return answer["Body"].read(), answer


def check(site, key, kind, body):
    """That an object is what was written, whole and in ranges, and says how it rests."""
    got, answer = body_of(site, key, kind)
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest(), (key, kind)
    assert answer.get("ServerSideEncryption") == ("AES256" if kind == "sse-s3" else None)
    assert answer.get("SSECustomerAlgorithm") == ("AES256" if "sse-c" in kind else None)
    head = site.head_object(Bucket="sealed", Key=key, **read(kind))
    assert (head["ContentLength"], head["ETag"]) == (len(body), answer["ETag"])
    for first, last in [(0, 0), (MIB - 40, MIB + 40), (len(body) - 9, len(body) - 1)]:
        if 0 <= first and last < len(body):
            got, _ = body_of(site, key, kind, Range=f"bytes={first}-{last}")
            assert got == body[first : last + 1], (key, kind, first)


def files(site):
    """All that a site has on its disk."""
    return [path for path in (site.folder / "data").rglob("*") if path.is_file()]


def assert_nowhere(site, words):
    """That no file has any of these words. Files may go while one looks."""
    for path in files(site):
        try:
            held = path.read_bytes()
        except FileNotFoundError:
            continue
        for word in words:
            assert word not in held, f"{word[:20]!r} lies in {path}"


def test_any_encryption_is_read_at_both_sites_and_lies_nowhere_in_the_clear(any_pair):
    east, west = any_pair.east.client(), any_pair.west.client()
    east.create_bucket(Bucket="sealed")
    # Inline, one block, and several; around what a block of 1 MiB holds when it is sealed.
    sizes = [0, 1, 1_000, 100_000, MIB - 32, MIB - 31, MIB, 3 * MIB + 5]
    sealed = [kind for kind in KINDS if kind != "none"]
    written = {f"{kind} {size}": (kind, marked(size)) for kind in sealed for size in sizes}
    for key, (kind, body) in written.items():
        made = east.put_object(Bucket="sealed", Key=key, Body=body, **write(kind))
        same = made["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert same == (kind == "sse-s3"), "the tag tells nothing of what only the client can read"
    until_same(east, west, "sealed")
    for key, (kind, body) in written.items():
        for site in (east, west):
            check(site, key, kind, body)
    until(lambda: any_pair.west.metric("holes") == 0, "all blocks are at the secondary")
    for site in (any_pair.east, any_pair.west):
        assert_nowhere(site, [MARK, bytes([1]) * 32, bytes([2]) * 32])


def test_keys_of_clients_are_asked_for_and_told_apart_at_both_sites(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    east.put_object(Bucket="sealed", Key="own", Body=b"body", **own(1))
    east.put_object(Bucket="sealed", Key="sites", Body=b"body", **SSE_S3)
    until_same(east, west, "sealed")
    for site in (east, west):
        named = {"Bucket": "sealed", "Key": "own"}
        assert code(site.get_object, **named) == "InvalidRequest"
        assert code(site.get_object, **named, **own(2)) == "AccessDenied"
        assert code(site.head_object, **named) == "400"
        assert code(site.head_object, **named, **own(2)) == "403"
        sites = {"Bucket": "sealed", "Key": "sites"}
        assert code(site.get_object, **sites, **own(1)) == "InvalidRequest"
    put = {"Bucket": "sealed", "Key": "none", "Body": b"body"}
    assert code(east.put_object, **put, ServerSideEncryption="aws:kms") == "NotImplemented"
    assert code(east.put_object, **put, **SSE_S3, **own(1)) == "InvalidArgument"


def test_copies_go_from_any_encryption_to_any(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    body = os.urandom(2 * MIB + 77)
    for kind in KINDS:
        east.put_object(Bucket="sealed", Key=kind, Body=body, **write(kind))
        for to in KINDS:
            east.copy_object(
                Bucket="sealed",
                Key=f"{kind} to {to}",
                CopySource={"Bucket": "sealed", "Key": kind},
                **source(kind),
                **write(to),
            )
    until_same(east, west, "sealed")
    for site in (east, west):
        for kind in KINDS:
            for to in KINDS:
                check(site, f"{kind} to {to}", to, body)


@pytest.mark.parametrize("kind", KINDS)
def test_uploads_in_parts_are_sealed_part_by_part(pair, kind):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    bodies = [marked(PART), os.urandom(PART + 9), marked(77)]
    east.put_object(Bucket="sealed", Key="source", Body=bodies[1], **own(7))
    named = {"Bucket": "sealed", "Key": "parts"}
    begun = east.create_multipart_upload(**named, **write(kind))
    target = named | {"UploadId": begun["UploadId"]}
    # Numbers with gaps, a part that comes twice, and one that is a copy.
    east.upload_part(**target, PartNumber=3, Body=b"not this one", **read(kind))
    first = east.upload_part(**target, PartNumber=3, Body=bodies[0], **read(kind))["ETag"]
    copied = east.upload_part_copy(
        **target,
        PartNumber=8,
        CopySource={"Bucket": "sealed", "Key": "source"},
        CopySourceRange=f"bytes=0-{len(bodies[1]) - 1}",
        **of_source(7),
        **read(kind),
    )["CopyPartResult"]["ETag"]
    last = east.upload_part(**target, PartNumber=9, Body=bodies[2], **read(kind))["ETag"]
    tags = zip([3, 8, 9], [first, copied, last])
    done = complete(east, target, [{"PartNumber": n, "ETag": tag} for n, tag in tags])
    assert done["ETag"].endswith('-3"')
    until_same(east, west, "sealed")
    for site in (east, west):
        check(site, "parts", kind, b"".join(bodies))
        second, answer = body_of(site, "parts", kind, PartNumber=2)
        assert second == bodies[1] and answer["PartsCount"] == 3
    until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
    if kind != "none":
        for site in (pair.east, pair.west):
            assert_nowhere(site, [MARK])


def test_the_default_of_a_bucket_is_at_both_sites_and_survives_a_restart(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    none = "ServerSideEncryptionConfigurationNotFoundError"
    assert code(east.get_bucket_encryption, Bucket="sealed") == none
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    east.put_bucket_encryption(
        Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]}
    )

    def shown(site):
        answer = site.get_bucket_encryption(Bucket="sealed")
        return answer["ServerSideEncryptionConfiguration"]["Rules"][0]

    shown_rule = rule | {"BucketKeyEnabled": False}
    until(lambda: shown(west) == shown_rule, "the secondary shows the default")
    east.put_object(Bucket="sealed", Key="a", Body=marked(MIB))
    until_same(east, west, "sealed")
    pair.east.stop()
    pair.east.start()
    east = pair.east.client()
    assert shown(east) == shown_rule
    for site in (east, west):
        check(site, "a", "sse-s3", marked(MIB))
    east.delete_bucket_encryption(Bucket="sealed")
    assert code(east.get_bucket_encryption, Bucket="sealed") == none
    until(
        lambda: code(pair.west.client().get_bucket_encryption, Bucket="sealed") == none,
        "the secondary has no default any more",
    )
