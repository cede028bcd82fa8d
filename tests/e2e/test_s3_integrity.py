"""Checksums by every algorithm, in headers, trailers and of parts: checked, kept, shown at both sites."""

import base64
import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from harness.same import until_same
from harness.signed import Signer, put_in_chunks
from harness.site import SECRET
from harness.uploads import complete, upload

MIB = 1 << 20
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
BODY = b"123456789"
# Of `123456789`, as catalogues of checksums have them.
CHECK = {
    "CRC32": 0xCBF43926.to_bytes(4, "big"),
    "CRC32C": 0xE3069283.to_bytes(4, "big"),
    "CRC64NVME": 0xAE8B14860A799888.to_bytes(8, "big"),
    "SHA1": hashlib.sha1(BODY).digest(),
    "SHA256": hashlib.sha256(BODY).digest(),
}


def shown(value):
    return base64.b64encode(value).decode()


def code(call, **arguments):
    """The error code of a call that must fail."""
    with pytest.raises(ClientError) as failed:
        call(**arguments)
    return failed.value.response["Error"]["Code"]


def test_every_checksum_is_checked_kept_and_shown(pair):
    east, west = pair.east.client(), pair.west.client()
    signer = Signer(pair.east, ("root", SECRET))
    east.create_bucket(Bucket="sums")
    for algorithm, value in CHECK.items():
        field, right, wrong = f"Checksum{algorithm}", shown(value), shown(bytes(len(value)))
        put = lambda key, sum: east.put_object(
            Bucket="sums", Key=key, Body=BODY, ChecksumAlgorithm=algorithm, **{field: sum}
        )
        assert put(algorithm, right)[field] == right
        assert code(put, key="wrong", sum=wrong) == "BadDigest"
        header = f"x-amz-checksum-{algorithm.lower()}"
        answer = put_in_chunks(signer, f"/sums/trailer-{algorithm}", BODY, False, {header: right})
        assert (answer[0], answer[1].get(header)) == (200, right), answer
        answer = put_in_chunks(signer, "/sums/wrong", BODY, True, {header: wrong})
        assert answer[0] == 400 and b"BadDigest" in answer[2]
        # Copied with the object, or computed for the copy.
        source = {"Bucket": "sums", "Key": algorithm}
        east.copy_object(Bucket="sums", Key=f"copy-{algorithm}", CopySource=source)
        east.copy_object(
            Bucket="sums", Key=f"made-{algorithm}", CopySource=source, ChecksumAlgorithm="SHA256"
        )
    listed = until_same(east, west, "sums")
    assert len(listed) == 4 * len(CHECK) and "wrong" not in listed
    for site in (east, west):
        for algorithm, value in CHECK.items():
            field = f"Checksum{algorithm}"
            for key in (algorithm, f"trailer-{algorithm}", f"copy-{algorithm}"):
                asked = {"Bucket": "sums", "Key": key}
                head = site.head_object(**asked, ChecksumMode="ENABLED")
                assert (head[field], head["ChecksumType"]) == (shown(value), "FULL_OBJECT")
                told = site.get_object_attributes(**asked, ObjectAttributes=["Checksum", "ETag"])
                assert told["Checksum"][field] == shown(value)
                assert told["ETag"] == hashlib.md5(BODY).hexdigest()
            made = site.head_object(
                Bucket="sums", Key=f"made-{algorithm}", ChecksumMode="ENABLED"
            )
            assert made["ChecksumSHA256"] == shown(CHECK["SHA256"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_parts_are_kept_with_their_sizes_and_checksums(pair, algorithm):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="parts")
    bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB + 1), b"the end"]
    kinds = ["FULL_OBJECT"] if algorithm.startswith("CRC") else []
    kinds += ["COMPOSITE"] if algorithm != "CRC64NVME" else []
    field, done = f"Checksum{algorithm}", {}
    for kind in kinds:
        options = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
        target, parts = upload(east, "parts", kind, bodies, **options)
        wrong = {field: shown(bytes(len(CHECK[algorithm])))}
        asked = {"client": east, "target": target, "parts": parts}
        assert code(complete, **asked, **wrong, ChecksumType=kind) == "BadDigest"
        assert code(complete, client=east, target=target, parts=[{**parts[0], **wrong}]) == "InvalidPart"
        done[kind] = (complete(east, target, parts), parts)
    until_same(east, west, "parts")
    for site in (east, west):
        for kind, (made, parts) in done.items():
            asked = {"Bucket": "parts", "Key": kind}
            told = site.get_object_attributes(
                **asked, ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"]
            )
            assert told["ETag"] == made["ETag"].strip('"')
            assert told["ObjectSize"] == sum(map(len, bodies))
            assert told["Checksum"] == {field: made[field], "ChecksumType": kind}
            assert made[field].endswith("-3") == (kind == "COMPOSITE")
            assert told["ObjectParts"]["TotalPartsCount"] == 3
            wanted = [
                {"PartNumber": n, "Size": len(body), field: part[field]}
                for n, (body, part) in enumerate(zip(bodies, parts), 1)
            ]
            assert told["ObjectParts"]["Parts"] == wanted
            page = site.get_object_attributes(
                **asked, ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=1
            )["ObjectParts"]
            assert page["Parts"] == wanted[1:2] and page["IsTruncated"]
            assert page["NextPartNumberMarker"] == 2
            for number, body in enumerate(bodies, 1):
                got = site.get_object(**asked, PartNumber=number, ChecksumMode="ENABLED")
                assert got["Body"].read() == body
                assert (got["PartsCount"], got[field]) == (3, parts[number - 1][field])
                head = site.head_object(**asked, PartNumber=number)
                assert (head["ContentLength"], head["PartsCount"]) == (len(body), 3)
            assert code(site.get_object, **asked, PartNumber=4) == "InvalidPartNumber"
            assert "PartsCount" not in site.head_object(**asked)


def test_content_md5_is_checked_of_objects_and_parts(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="md5")
    right, wrong = shown(hashlib.md5(BODY).digest()), shown(bytes(16))
    put = lambda md5: east.put_object(Bucket="md5", Key="a", Body=BODY, ContentMD5=md5)
    put(right)
    assert code(put, md5=wrong) == "BadDigest"
    assert code(put, md5=shown(b"short")) == "InvalidDigest"
    assert code(put, md5="no Base64") == "InvalidDigest"
    id = east.create_multipart_upload(Bucket="md5", Key="b")["UploadId"]
    target = {"Bucket": "md5", "Key": "b", "UploadId": id, "PartNumber": 1}
    part = lambda md5: east.upload_part(**target, Body=BODY, ContentMD5=md5)
    part(right)
    assert code(part, md5=wrong) == "BadDigest"
