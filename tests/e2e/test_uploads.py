"""Uploads in parts, copies, presigned URLs: made at the primary, looked at at both sites."""

import base64
import hashlib
import os
import urllib.request
import zlib

import pytest
from botocore.exceptions import ClientError

from harness.same import shown, until_same
from harness.until import until
from harness.uploads import complete, upload, upload_copies

MIB = 1 << 20
PART = 5 * MIB


def code(call, **arguments):
    """The error code of a call that must fail."""
    with pytest.raises(ClientError) as failed:
        call(**arguments)
    return failed.value.response["Error"]["Code"]


def test_uploads_in_parts_arrive_whole(any_pair):
    east, west = any_pair.east.client(), any_pair.west.client()
    east.create_bucket(Bucket="parts")
    bodies = [os.urandom(PART), os.urandom(7 * MIB + 3), os.urandom(11)]
    target, parts = upload(
        east, "parts", "three", bodies, Metadata={"colour": "blue"}, ContentType="text/plain"
    )
    listed = east.list_parts(**target, MaxParts=2)
    assert [part["PartNumber"] for part in listed["Parts"]] == [1, 2] and listed["IsTruncated"]
    rest = east.list_parts(**target, PartNumberMarker=listed["NextPartNumberMarker"])
    assert [(p["PartNumber"], p["Size"]) for p in rest["Parts"]] == [(3, 11)]
    uploads = east.list_multipart_uploads(Bucket="parts")["Uploads"]
    assert [(u["Key"], u["UploadId"]) for u in uploads] == [("three", target["UploadId"])]
    # A part that is sent again takes the place of the one before.
    again = east.upload_part(**target, PartNumber=3, Body=b"the last part")
    parts[2] = {"PartNumber": 3, "ETag": again["ETag"], "ChecksumCRC32": again["ChecksumCRC32"]}
    bodies[2] = b"the last part"
    done = complete(east, target, parts)
    md5s = b"".join(hashlib.md5(body).digest() for body in bodies)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    assert "Uploads" not in east.list_multipart_uploads(Bucket="parts")
    # Who did not hear the answer asks again, and hears it.
    assert complete(east, target, parts)["ETag"] == done["ETag"]
    assert code(east.list_parts, **target) == "NoSuchUpload"

    until_same(east, west, "parts")
    for site in (east, west):
        seen = shown(site, "parts", "three")
        assert seen["sha256"] == hashlib.sha256(b"".join(bodies)).hexdigest()
        assert (seen["Metadata"], seen["ContentType"]) == ({"colour": "blue"}, "text/plain")
        second = site.get_object(Bucket="parts", Key="three", PartNumber=2)
        assert second["Body"].read() == bodies[1] and second["PartsCount"] == 3
    until(lambda: any_pair.west.metric("holes") == 0, "all blocks are at the secondary")


def test_an_object_of_more_parts_than_a_segment_has_blocks(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="long")
    body = os.urandom(16 * MIB)
    east.put_object(Bucket="long", Key="source", Body=body)
    target, parts = upload_copies(east, "long", "long", ["source"] * 80)
    complete(east, target, parts)
    until_same(east, west, "long")
    until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
    # 1,280 MiB, and only the 16 of the source and two segments crossed the link.
    assert pair.west.metric("blocks_pulled_bytes_total") < 17 * MIB
    at = 1_025 * MIB + 5
    for site in (east, west):
        assert site.head_object(Bucket="long", Key="long")["ContentLength"] == 80 * len(body)
        got = site.get_object(Bucket="long", Key="long", Range=f"bytes={at}-{at + 99}")
        assert got["Body"].read() == body[at % len(body) : at % len(body) + 100]
    # The parts go with their upload: with the object, everything goes.
    east.delete_object(Bucket="long", Key="long")
    east.delete_object(Bucket="long", Key="source")
    files = lambda: [f for f in (pair.east.folder / "data/blocks").rglob("*") if f.is_file()]
    until(lambda: not files(), "no block is left at the primary")


def test_uploads_that_are_aborted_leave_nothing(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="aborted")
    target, parts = upload(east, "aborted", "k", [os.urandom(PART)])
    east.abort_multipart_upload(**target)
    for call in (
        lambda: complete(east, target, parts),
        lambda: east.upload_part(**target, PartNumber=1, Body=b""),
        lambda: east.abort_multipart_upload(**target),
        lambda: east.list_parts(**target),
    ):
        assert code(call) == "NoSuchUpload"
    files = lambda: [f for f in (pair.east.folder / "data/blocks").rglob("*") if f.is_file()]
    until(lambda: not files(), "the parts are freed")
    assert "Contents" not in east.list_objects_v2(Bucket="aborted")


def test_an_upload_is_completed_only_with_what_it_has(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="wrong")
    target, parts = upload(east, "wrong", "k", [os.urandom(PART), b"end"])
    wrong = lambda parts, **more: code(complete, client=east, target=target, parts=parts, **more)
    assert wrong(parts[::-1]) == "InvalidPartOrder"
    assert wrong([{**parts[0], "ETag": '"0"'}]) == "InvalidPart"
    assert wrong([{**parts[0], "PartNumber": 9}]) == "InvalidPart"
    assert wrong([]) == "MalformedXML"
    assert wrong(parts, MpuObjectSize=5) == "InvalidRequest"
    assert code(east.upload_part, **target, PartNumber=10_001, Body=b"") == "InvalidArgument"
    small, named = upload(east, "wrong", "small", [b"too small", b"end"])
    assert code(complete, client=east, target=small, parts=named) == "EntityTooSmall"
    complete(east, target, parts)


@pytest.mark.parametrize(
    "algorithm, kind",
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", None),
        ("SHA256", None),
    ],
)
def test_checksums_of_uploads_are_kept_and_checked(pair, algorithm, kind):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sums")
    options = {"ChecksumAlgorithm": algorithm, **({"ChecksumType": kind} if kind else {})}
    bodies = [os.urandom(PART), b"the end"]
    target, parts = upload(east, "sums", "k", bodies, **options)
    field = f"Checksum{algorithm}"
    assert all(field in part for part in parts)
    done = complete(east, target, parts)
    if (algorithm, kind) == ("CRC32", "FULL_OBJECT"):
        whole = zlib.crc32(b"".join(bodies)).to_bytes(4, "big")
        assert done[field] == base64.b64encode(whole).decode()
    if algorithm == "SHA256":
        sums = b"".join(hashlib.sha256(body).digest() for body in bodies)
        assert done[field] == base64.b64encode(hashlib.sha256(sums).digest()).decode() + "-2"
    until_same(east, west, "sums")
    for site in (east, west):
        head = site.head_object(Bucket="sums", Key="k", ChecksumMode="ENABLED")
        assert head[field] == done[field] and head["ChecksumType"] == done["ChecksumType"]
    wrong = {**parts[0], field: base64.b64encode(bytes(32)).decode()}
    target, _ = upload(east, "sums", "other", bodies, **options)
    assert code(complete, client=east, target=target, parts=[wrong, parts[1]]) == "InvalidPart"


def test_copies_share_their_blocks_at_both_sites(any_pair):
    east, west = any_pair.east.client(), any_pair.west.client()
    east.create_bucket(Bucket="source")
    east.create_bucket(Bucket="onto")
    body = os.urandom(3 * MIB + 17)
    east.put_object(Bucket="source", Key="ünï cødé", Body=body, Metadata={"a": "b"})
    until_same(east, west, "source")
    until(lambda: any_pair.west.metric("holes") == 0, "all blocks are at the secondary")
    pulled = any_pair.west.metric("blocks_pulled_bytes_total")
    source = {"Bucket": "source", "Key": "ünï cødé"}
    east.copy_object(Bucket="onto", Key="same", CopySource=source)
    east.copy_object(
        Bucket="onto",
        Key="other",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"c": "d"},
        ContentType="text/x",
        ChecksumAlgorithm="SHA256",
    )
    east.delete_object(Bucket="source", Key="ünï cødé")
    until_same(east, west, "onto")
    for site in (east, west):
        same, other = shown(site, "onto", "same"), shown(site, "onto", "other")
        assert same["sha256"] == other["sha256"] == hashlib.sha256(body).hexdigest()
        assert same["Metadata"] == {"a": "b"} and other["Metadata"] == {"c": "d"}
        assert other["ContentType"] == "text/x"
        head = site.head_object(Bucket="onto", Key="other", ChecksumMode="ENABLED")
        assert base64.b64decode(head["ChecksumSHA256"]) == hashlib.sha256(body).digest()
    assert any_pair.west.metric("blocks_pulled_bytes_total") == pulled, "no byte moved"


def test_copies_ask_conditions_of_source_and_target(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="cond")
    etag = east.put_object(Bucket="cond", Key="a", Body=b"x" * 100)["ETag"]
    copy = lambda **more: east.copy_object(
        **{"Bucket": "cond", "Key": "b", "CopySource": {"Bucket": "cond", "Key": "a"}, **more}
    )
    assert code(copy, CopySourceIfMatch='"0"') == "PreconditionFailed"
    assert code(copy, CopySourceIfNoneMatch=etag) == "PreconditionFailed"
    assert code(copy, CopySource={"Bucket": "cond", "Key": "none"}) == "NoSuchKey"
    assert code(copy, CopySource={"Bucket": "none", "Key": "a"}) == "NoSuchBucket"
    assert code(copy, Key="a") == "InvalidRequest"
    copy(CopySourceIfMatch=etag)
    copy(Key="a", MetadataDirective="REPLACE", Metadata={"n": "1"})
    assert east.head_object(Bucket="cond", Key="a")["Metadata"] == {"n": "1"}
    east.delete_object(Bucket="cond", Key="b", IfMatch=etag)
    assert code(east.delete_object, Bucket="cond", Key="a", IfMatch='"0"') == "PreconditionFailed"


def test_ranges_become_parts(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="ranges")
    body = os.urandom(12 * MIB)
    east.put_object(Bucket="ranges", Key="s", Body=body)
    id = east.create_multipart_upload(Bucket="ranges", Key="t")["UploadId"]
    target = {"Bucket": "ranges", "Key": "t", "UploadId": id}
    source = {"Bucket": "ranges", "Key": "s"}
    copy = lambda number, text: east.upload_part_copy(
        **target, PartNumber=number, CopySource=source, CopySourceRange=text
    )["CopyPartResult"]["ETag"]
    assert code(copy, number=1, text=f"bytes=0-{len(body)}") == "InvalidRange"
    assert code(copy, number=1, text="bytes=5-") == "InvalidArgument"
    first, last = body[100 : 100 + PART], body[-12_345:]
    tags = [
        copy(1, f"bytes=100-{99 + PART}"),
        copy(2, f"bytes={len(body) - 12_345}-{len(body) - 1}"),
    ]
    assert tags == [f'"{hashlib.md5(part).hexdigest()}"' for part in (first, last)]
    complete(east, target, [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)])
    until_same(east, west, "ranges")
    assert shown(west, "ranges", "t")["sha256"] == hashlib.sha256(first + last).hexdigest()


@pytest.mark.parametrize("version", [None, "s3v4"])
def test_presigned_urls_give_and_take(pair, version):
    # Without a wish, boto3 signs links by version 2.
    options = {"signature_version": version} if version else {}
    east, west = pair.east.client(**options), pair.west.client(**options)
    east.create_bucket(Bucket="signed")
    name = {"Bucket": "signed", "Key": "a b"}
    wish = {**name, "ContentType": "text/plain"}
    put = east.generate_presigned_url("put_object", Params=wish, ExpiresIn=60)
    headers = {"Content-Type": "text/plain"}
    request = urllib.request.Request(put, data=b"by a link", method="PUT", headers=headers)
    assert urllib.request.urlopen(request, timeout=10).status == 200
    until_same(east, west, "signed")
    for site in (east, west):
        wish = {**name, "ResponseContentType": "text/x"}
        url = site.generate_presigned_url("get_object", Params=wish, ExpiresIn=60)
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.read() == b"by a link" and answer.headers["Content-Type"] == "text/x"
        assert status(url.replace("a%20b", "other")) == 403
        short = site.generate_presigned_url("get_object", Params=name, ExpiresIn=1)
        until(lambda: status(short) == 403, "the link has expired")


def status(url):
    """The status that a link gives."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("point", ["completing", "completed"])
def test_a_crash_while_completing_leaves_the_object_whole_or_absent(make_pair, point):
    pair = make_pair().start()
    east = pair.east.client()
    east.create_bucket(Bucket="crash")
    body = os.urandom(PART)
    target, parts = upload(east, "crash", "k", [body])
    pair.east.stop()
    pair.east.start(TOWLINE_CRASH_AT=f"{point}:1")
    with pytest.raises(Exception):
        complete(pair.east.client(connect_timeout=2, read_timeout=20), target, parts)
    until(lambda: pair.east.process.poll() is not None, "crashed while completing")
    pair.east.start()
    east, west = pair.east.client(), pair.west.client()
    there = "Contents" in east.list_objects_v2(Bucket="crash")
    assert there == (point == "completed")
    # Done or not, asking again ends with the object.
    complete(east, target, parts)
    until_same(east, west, "crash")
    assert shown(west, "crash", "k")["sha256"] == hashlib.sha256(body).hexdigest()
